//! The tokio peer of the actor workloads in ../SPEC.md: one task and one unbounded mpsc channel per actor, a oneshot
//! channel per call, and a multi-thread runtime of `workers` worker threads. An actor that never receives a message
//! (a skynet leaf, a fan-in sender) has no channel. The allocator is the system's.

mod calls;
mod cpu;
mod messages;
mod server;
mod spawning;
mod supervise;

use std::future::Future;
use std::process::exit;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What a workload hands back; `extra` are further JSON fields, their values already written as JSON.
pub struct Outcome {
    pub ops: u64,
    pub seconds: f64,
    pub extra: Vec<(String, String)>,
}

impl Outcome {
    pub fn new(ops: u64, seconds: f64) -> Self {
        Outcome {
            ops,
            seconds,
            extra: Vec::new(),
        }
    }

    pub fn with(mut self, key: &str, json: impl ToString) -> Self {
        self.extra.push((key.to_string(), json.to_string()));
        self
    }
}

pub type Verdict = Result<Outcome, String>;

pub struct Params(Vec<(&'static str, u64)>);

impl Params {
    pub fn get(&self, key: &str) -> u64 {
        self.0
            .iter()
            .find(|(k, _)| *k == key)
            .unwrap_or_else(|| panic!("no parameter {key}"))
            .1
    }
}

/// Runs the workload's own actor on a worker thread, like every other actor.
fn within<F>(rt: &Runtime, workload: F) -> Verdict
where
    F: Future<Output = Verdict> + Send + 'static,
{
    rt.block_on(rt.spawn(workload))
        .unwrap_or_else(|e| Err(e.to_string()))
}

type Defaults = &'static [(&'static str, u64)];
type Workload = fn(&Runtime, &Params) -> Verdict;

fn workload(name: &str) -> Option<(Defaults, Workload)> {
    Some(match name {
        "pingpong" => (&[("n", 1_000_000)], |rt, p| {
            within(rt, messages::pairs(1, p.get("n")))
        }),
        "pairs" => (&[("p", 32), ("n", 100_000)], |rt, p| {
            within(rt, messages::pairs(p.get("p"), p.get("n")))
        }),
        "ring" => (&[("a", 503), ("n", 5_000_000)], |rt, p| {
            within(rt, messages::rings(1, p.get("a"), p.get("n")))
        }),
        "rings" => (&[("r", 16), ("a", 503), ("n", 500_000)], |rt, p| {
            within(rt, messages::rings(p.get("r"), p.get("a"), p.get("n")))
        }),
        "counting" => (&[("n", 5_000_000)], |rt, p| {
            within(rt, messages::counting(p.get("n")))
        }),
        "fanin" => (&[("s", 100), ("n", 50_000)], |rt, p| {
            within(rt, messages::fanin(p.get("s"), p.get("n")))
        }),
        "spawn" => (&[("n", 1_000_000)], |rt, p| {
            within(rt, spawning::spawn(p.get("n")))
        }),
        "spawnchain" => (&[("n", 1_000_000)], |rt, p| {
            within(rt, spawning::spawnchain(p.get("n")))
        }),
        "skynet" => (&[("leaves", 1_000_000)], |rt, p| {
            within(rt, spawning::skynet(p.get("leaves")))
        }),
        "big" => (&[("a", 120), ("n", 20_000)], |rt, p| {
            within(rt, messages::big(p.get("a"), p.get("n")))
        }),
        "chameneos" => (&[("a", 100), ("n", 400_000)], |rt, p| {
            within(rt, messages::chameneos(p.get("a"), p.get("n")))
        }),
        "call" => (&[("n", 500_000)], |rt, p| {
            within(rt, calls::calls(1, 1, p.get("n")))
        }),
        "calls" => (&[("c", 64), ("s", 64), ("n", 20_000)], |rt, p| {
            within(rt, calls::calls(p.get("c"), p.get("s"), p.get("n")))
        }),
        "callname" => (&[("n", 500_000)], |rt, p| {
            within(rt, calls::callname(p.get("n")))
        }),
        "cast" => (&[("n", 3_000_000)], |rt, p| {
            within(rt, calls::cast(p.get("n")))
        }),
        "timers" => (&[("n", 500_000)], |rt, p| {
            within(rt, calls::timers(p.get("n")))
        }),
        "idle" => (&[("n", 1_000_000)], |rt, p| {
            within(rt, spawning::idle(p.get("n")))
        }),
        "idlecpu" => (&[("n", 100_000), ("seconds", 10)], |rt, p| {
            within(rt, spawning::idlecpu(p.get("n"), p.get("seconds")))
        }),
        "restart" => (&[("n", 20_000)], |rt, p| {
            within(rt, supervise::restart(p.get("n")))
        }),
        "hog" => (&[("hogs", 4), ("n", 2_000), ("blocking", 0)], cpu::hog),
        "selective" => (&[("n", 20_000)], |rt, p| {
            within(rt, calls::selective(p.get("n")))
        }),
        "nqueens" => (&[("size", 12)], |rt, p| {
            within(rt, cpu::nqueens(p.get("size"), p.get("workers") * 4))
        }),
        _ => return None,
    })
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = match args.first() {
        Some(name) => name,
        None => fail(2, "usage: peer WORKLOAD [key=value ...]"),
    };
    let (defaults, run) = match workload(name) {
        Some(found) => found,
        None => unsupported("no such workload"),
    };
    let params = match parse(defaults, &args[1..]) {
        Ok(params) => params,
        Err(e) => fail(2, &e),
    };
    let rt = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(params.get("workers") as usize)
        .enable_all()
        .build()
        .unwrap_or_else(|e| fail(1, &e.to_string()));
    match run(&rt, &params) {
        Ok(outcome) => println!("{}", report(name, &params, &outcome)),
        Err(e) => fail(1, &format!("{name}: {e}")),
    }
    exit(0) // without the runtime's orderly shutdown, which would wait for the hogs
}

fn parse(defaults: Defaults, args: &[String]) -> Result<Params, String> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut given = defaults.to_vec();
    given.push(("workers", cores));
    for arg in args {
        let pair = arg
            .split_once('=')
            .and_then(|(k, v)| Some((k, v.parse::<u64>().ok()?)));
        let (key, value) = pair.ok_or_else(|| format!("bad argument {arg:?}"))?;
        let slot = given
            .iter_mut()
            .find(|(k, _)| *k == key)
            .ok_or_else(|| format!("no parameter {key:?}"))?;
        if value == 0 && !matches!(key, "hogs" | "blocking") {
            return Err(format!("{key} must be at least 1"));
        }
        slot.1 = value;
    }
    Ok(Params(given))
}

fn report(name: &str, params: &Params, o: &Outcome) -> String {
    let params: Vec<String> = params
        .0
        .iter()
        .map(|(k, v)| format!("\"{k}\":{v}"))
        .collect();
    let extra: String = o
        .extra
        .iter()
        .map(|(k, v)| format!(",\"{k}\":{v}"))
        .collect();
    format!(
        "{{\"peer\":\"tokio\",\"version\":\"{}\",\"workload\":\"{name}\",\"params\":{{{}}},\"ops\":{},\"seconds\":{:.6}{extra}}}",
        tokio_version(),
        params.join(","),
        o.ops,
        o.seconds,
    )
}

/// The version that Cargo resolved; the build says it, since a crate does not know those of its dependencies.
fn tokio_version() -> &'static str {
    option_env!("PEER_TOKIO_VERSION").unwrap_or("unknown")
}

pub fn unsupported(reason: &str) -> ! {
    println!("{{\"unsupported\":true,\"reason\":{reason:?}}}");
    exit(3)
}

fn fail(code: i32, message: &str) -> ! {
    eprintln!("{message}");
    exit(code)
}

/// A gate that actors wait at until the measurement starts.
pub struct Gate(watch::Sender<bool>);

#[derive(Clone)]
pub struct Wait(watch::Receiver<bool>);

pub fn gate() -> (Gate, Wait) {
    let (tx, rx) = watch::channel(false);
    (Gate(tx), Wait(rx))
}

impl Gate {
    /// Opens the gate and says when.
    pub fn open(&self) -> Instant {
        let now = Instant::now();
        self.0.send_replace(true);
        now
    }
}

impl Wait {
    pub async fn pass(mut self) {
        while !*self.0.borrow_and_update() {
            if self.0.changed().await.is_err() {
                return;
            }
        }
    }
}

pub fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, want: T) -> Result<(), String> {
    if got == want {
        Ok(())
    } else {
        Err(format!("{what}: {got:?}; want {want:?}"))
    }
}
