//! Reads certificate files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::server::StartError;
use crate::settings::TlsFiles;

/// Makes a TLS acceptor of PEM files.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let fail =
        |path: &Path, why: &dyn std::fmt::Display| StartError::Tls(format!("{}: {why}", path.display()));
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|error| fail(path, &error));
    let certificates =
        CertificateDer::pem_reader_iter(open(&files.certificate)?).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| fail(&files.certificate, &error))?;
    if certificates.is_empty() {
        return Err(fail(&files.certificate, &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_reader(open(&files.key)?).map_err(|error| fail(&files.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key));
    // The library does not say which of the two it means.
    let pair = files.certificate.display();
    let mut config =
        config.map_err(|error| StartError::Tls(format!("{pair} with {}: {error}", files.key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
