//! Workloads that use the CPU for more than messages.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::{expect, unsupported, Outcome, Params, Verdict};

/// The round trips of one pair, one a millisecond, while the hogs never yield. tokio does not preempt a task, so with
/// as many hogs as worker threads the pair never runs: that is found out by trying, and reported as unsupported.
/// With blocking=1 the hogs run on tokio's threads for blocking work instead, which the kernel does preempt.
/// A round trip is timed from its sending; late_* says by how much the pinging actor woke up after its millisecond.
pub fn hog(rt: &Runtime, p: &Params) -> Verdict {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (hogs, n, blocking) = (p.get("hogs"), p.get("n"), p.get("blocking") != 0);
    let hogging = Arc::new(AtomicU64::new(0));
    for i in 0..hogs {
        let hogging = hogging.clone();
        let spin = move || {
            hogging.fetch_add(1, SeqCst);
            let mut x = i + 1;
            while x != 0 {
                // a generator that never gets there
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
            }
        };
        if blocking {
            rt.spawn_blocking(spin);
        } else {
            rt.spawn(async move { spin() });
        }
    }
    let expected = if blocking {
        hogs
    } else {
        hogs.min(p.get("workers"))
    };
    while hogging.load(SeqCst) < expected {
        std::thread::sleep(Duration::from_millis(1));
    }

    let trips_done = Arc::new(AtomicU64::new(0));
    let t = Instant::now();
    let pinger = rt.spawn(ping_each_millisecond(n, trips_done.clone()));
    let (mut seen, mut since) = (0, Instant::now());
    while !pinger.is_finished() {
        std::thread::sleep(Duration::from_millis(10));
        let now = trips_done.load(SeqCst);
        if now > seen {
            (seen, since) = (now, Instant::now());
        } else if since.elapsed() > PATIENCE {
            unsupported(&format!(
                "no preemption: {seen} of {n} round trips, then none in {PATIENCE:?}"
            ));
        }
    }
    let (mut trips, mut late, end) = rt.block_on(pinger).map_err(|e| e.to_string())?;
    let seconds = (end - t).as_secs_f64();
    expect("round trips", trips.len() as u64, n)?;
    let outcome = quantiles(Outcome::new(n, seconds), "", &mut trips);
    Ok(quantiles(outcome, "late_", &mut late))
}

async fn ping_each_millisecond(
    n: u64,
    trips_done: Arc<AtomicU64>,
) -> (Vec<Duration>, Vec<Duration>, Instant) {
    const PERIOD: Duration = Duration::from_millis(1);
    let (ping, mut ping_inbox) = mpsc::unbounded_channel::<u64>();
    let (pong, mut pong_inbox) = mpsc::unbounded_channel::<u64>();
    tokio::spawn(async move {
        while let Some(v) = pong_inbox.recv().await {
            let _ = ping.send(v + 1);
        }
    });
    let (mut trips, mut late) = (
        Vec::with_capacity(n as usize),
        Vec::with_capacity(n as usize),
    );
    let mut due = Instant::now() + PERIOD;
    for v in 0..n {
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        let _ = pong.send(v);
        if ping_inbox.recv().await != Some(v + 1) {
            break;
        }
        let now = Instant::now();
        trips.push(now - sent);
        late.push(sent.saturating_duration_since(due));
        trips_done.store(v + 1, SeqCst);
        due += PERIOD;
        if due < now {
            due = now + PERIOD;
        }
    }
    (trips, late, Instant::now())
}

fn quantiles(outcome: Outcome, prefix: &str, ds: &mut [Duration]) -> Outcome {
    ds.sort();
    let us = |i: usize| format!("{:.3}", ds[i].as_secs_f64() * 1e6);
    let n = ds.len();
    outcome
        .with(&format!("{prefix}p50_us"), us(n / 2))
        .with(&format!("{prefix}p99_us"), us(n * 99 / 100))
        .with(&format!("{prefix}max_us"), us(n - 1))
}

const SOLUTIONS: [u64; 15] = [
    1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596,
];

/// The column of the queen of each row so far.
type Board = Vec<i8>;

fn allows(board: &[i8], column: i8) -> bool {
    let row = board.len() as i8;
    board.iter().enumerate().all(|(r, &c)| {
        let d = row - r as i8;
        c != column && c != column - d && c != column + d
    })
}

enum ToMaster {
    /// A board to work on, from a worker.
    Work(Board),
    Solution,
    /// A worker is through with one board.
    Finished,
}

/// Follows Savina: the master deals the boards out to its workers in turn; a worker extends a board of fewer than
/// CUTOFF queens and sends each result back to the master as new work, solves a deeper one by itself, and sends one
/// message for each solution and one for each board it is through with.
pub async fn nqueens(size: u64, workers: u64) -> Verdict {
    let want = *SOLUTIONS
        .get(size as usize)
        .ok_or_else(|| format!("size must be less than {}", SOLUTIONS.len()))?;
    let t = Instant::now();
    let master = tokio::spawn(queens_master(size as usize, workers));
    let got = master.await.map_err(|e| e.to_string())?;
    let seconds = t.elapsed().as_secs_f64();
    expect("solutions", got, want)?;
    Ok(Outcome::new(1, seconds))
}

async fn queens_master(size: usize, workers: u64) -> u64 {
    let (me, mut inbox) = mpsc::unbounded_channel();
    let workers: Vec<_> = (0..workers)
        .map(|_| {
            let (worker, inbox) = mpsc::unbounded_channel();
            tokio::spawn(queens_worker(size, inbox, me.clone()));
            worker
        })
        .collect();
    let mut turn = workers.iter().cycle();
    let mut deal = |board: Board| {
        if let Some(worker) = turn.next() {
            let _ = worker.send(board);
        }
    };
    deal(Board::new());
    let (mut open, mut found) = (1u64, 0);
    while open > 0 {
        match inbox.recv().await {
            None => break,
            Some(ToMaster::Work(board)) => {
                open += 1;
                deal(board);
            }
            Some(ToMaster::Solution) => found += 1,
            Some(ToMaster::Finished) => open -= 1,
        }
    }
    found
}

async fn queens_worker(
    size: usize,
    mut inbox: mpsc::UnboundedReceiver<Board>,
    master: mpsc::UnboundedSender<ToMaster>,
) {
    const CUTOFF: usize = 4;
    while let Some(mut board) = inbox.recv().await {
        if board.len() == size {
            let _ = master.send(ToMaster::Solution);
        } else if board.len() >= CUTOFF {
            board.reserve_exact(size - board.len());
            solve(&mut board, size, &master);
        } else {
            for column in (0..size as i8).filter(|&c| allows(&board, c)) {
                let mut more = Board::with_capacity(board.len() + 1);
                more.extend_from_slice(&board);
                more.push(column);
                let _ = master.send(ToMaster::Work(more));
            }
        }
        let _ = master.send(ToMaster::Finished);
    }
}

fn solve(board: &mut Board, size: usize, master: &mpsc::UnboundedSender<ToMaster>) {
    if board.len() == size {
        let _ = master.send(ToMaster::Solution);
        return;
    }
    for column in 0..size as i8 {
        if allows(board, column) {
            board.push(column);
            solve(board, size, master);
            board.pop();
        }
    }
}
