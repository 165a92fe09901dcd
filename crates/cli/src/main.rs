//! The program `seabag`: a server for rooms, a client for them, and the tools around both. This file starts the
//! runtime, hands the arguments to their command, and turns errors into exit codes.

mod admin;
mod arguments;
mod bench;
mod client;
mod ent;
mod exit;
mod health;
mod keys;
mod output;
mod place;
mod room;
mod serve;
mod settings;

use std::process::exit as end_process;

use clap::Parser;

use arguments::{Arguments, Command};
use exit::Exit;

/// The system's own keeps what a burst of rooms needed; this one gives it back within seconds.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments = Arguments::parse();
    let outcome = run(arguments);
    let code = match outcome {
        Ok(exit) => exit,
        Err(error) => {
            let (exit, speak) = exit::judge(&error);
            if speak {
                output::error(&format!("{error:#}"));
            }
            exit
        }
    };
    // Not a return: a thread that still waits for standard input must not keep the process.
    end_process(code as i32);
}

fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    // Only fails when a provider is installed already, which nothing before this line does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match arguments.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Serve(command) => serve::run(command).await,
            Command::Health(command) => health::run(command).await,
            Command::Room(command) => room::run(command).await,
            Command::Ent(command) => ent::run(command).await,
            Command::Keys(command) => keys::run(command),
            Command::Admin(command) => admin::run(command).await,
            Command::Bench(command) => bench::run(command).await,
        }
    });
    runtime.shutdown_background();
    outcome
}
