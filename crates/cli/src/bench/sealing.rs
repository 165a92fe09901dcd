//! `seabag bench sealing`: sealing and opening messages, in this process and on one processor. Compared with
//! what no scheme can do without: one signature, or one check of a signature.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use seabag_crypto::{HostKeys, Nonces, Sealer, Seed};
use seabag_protocol::host::bag::Bag;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

use super::Options;
use super::report::{Report, Row};

/// Sealing and opening.
#[derive(Debug, Args)]
pub(crate) struct Sealing {
    /// Bytes of the bodies.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 512, 16 * 1024, 1024 * 1024])]
    bodies: Vec<usize>,
}

/// What every measurement here seals under: not a secret of anybody.
pub(crate) fn bench_seed() -> Arc<Seed> {
    Arc::new(Seed::from_bytes(&[7; 32]))
}

/// Nonces that are counted: nobody reads the bags of a measurement.
pub(crate) fn counted_nonces(number: u64) -> Nonces {
    let mut nonces = Nonces { head: [1; 24], body: [2; 24] };
    for nonce in [&mut nonces.head, &mut nonces.body] {
        nonce.iter_mut().zip(number.to_be_bytes()).for_each(|(place, byte)| *place = byte);
    }
    nonces
}

/// The bag of a new entity.
pub(crate) fn bag(sealer: &Sealer, number: u64, body: &[u8]) -> anyhow::Result<Bag> {
    let eid = Eid::new(&number.to_be_bytes(), 1_767_225_600_000)?;
    let head = MessageHead::new(eid, number, 0, Some(body));
    Ok(sealer.seal(&head, Some(body), &counted_nonces(number))?)
}

/// Measures every size.
pub(crate) fn run(options: &Options, command: Sealing, report: &mut Report) -> anyhow::Result<()> {
    let sealer = Sealer::new(bench_seed(), "bench", 0);
    for size in command.bodies {
        let body = vec![b'x'; size];
        let mut number = 0;
        let seal = microseconds(options, || {
            number += 1;
            bag(&sealer, number, &body).map(|bag| _ = black_box(bag))
        })?;
        let sealed = bag(&sealer, 1, &body)?;
        let open = microseconds(options, || Ok(sealer.open(&sealed).map(|opened| _ = black_box(opened))?))?;
        report.add(row("seabag", size, seal, open))?;
    }
    let keys = HostKeys::derive(&bench_seed(), "bench", 0);
    let signed = keys.timestamp(1)?;
    let sign = microseconds(options, || Ok(keys.timestamp(1).map(|signed| _ = black_box(signed))?))?;
    let check = microseconds(options, || Ok(signed.check_signature()?))?;
    report.add(row("signature alone", 0, sign, check))
}

fn row(target: &str, bytes: usize, seal: f64, open: f64) -> Row {
    let tenth = |number: f64| (number * 10.0).round() / 10.0;
    Row::new("sealing", target).with("bytes", bytes).with("seal_us", tenth(seal)).with("open_us", tenth(open))
}

/// How long one call takes on average.
fn microseconds(options: &Options, mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (begun, mut calls) = (Instant::now(), 0_u32);
    let most = options.duration() / 4;
    while begun.elapsed() < most {
        call()?;
        calls += 1;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls.max(1)))
}
