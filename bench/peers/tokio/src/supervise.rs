//! A one_for_one supervisor of permanent children. A child is a task; killing it aborts the task. The supervisor
//! awaits the end of any child, and starts, registers and announces a new one.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use crate::{expect, Outcome, Verdict};

/// A message to a child: tell your generation.
type Ask = oneshot::Sender<u64>;

#[derive(Clone)]
struct Child {
    inbox: mpsc::UnboundedSender<Ask>,
    task: Arc<AbortHandle>,
    generation: u64,
}

static NAMES: Lazy<RwLock<HashMap<String, Child>>> = Lazy::new(Default::default);

fn whereis(name: &str) -> Result<Child, String> {
    NAMES
        .read()
        .unwrap()
        .get(name)
        .cloned()
        .ok_or_else(|| format!("{name} is not registered"))
}

async fn worker(generation: u64, mut inbox: mpsc::UnboundedReceiver<Ask>) {
    while let Some(reply) = inbox.recv().await {
        let _ = reply.send(generation);
    }
}

struct Spec {
    name: &'static str,
    announced: mpsc::UnboundedSender<()>,
}

#[derive(Default)]
struct Supervisor {
    specs: Vec<Spec>,
    children: Vec<Child>, // one of each spec
    tasks: JoinSet<()>,
    total: u64,
}

impl Supervisor {
    async fn run(
        mut self,
        max_restarts: u64,
        period: Duration,
        mut shutdown: oneshot::Receiver<()>,
    ) -> Result<u64, String> {
        let (mut window, mut restarts) = (Instant::now(), 0);
        for i in 0..self.specs.len() {
            let child = self.start(i, 0);
            self.children.push(child);
        }
        loop {
            tokio::select! {
                Some(reason) = self.tasks.join_next() => {
                    let ended = self.children.iter().position(|c| c.task.is_finished());
                    let ended = ended.ok_or("supervisor: an unknown child ended")?;
                    if window.elapsed() > period {
                        (window, restarts) = (Instant::now(), 0);
                    }
                    restarts += 1;
                    if restarts > max_restarts {
                        self.stop().await;
                        return Err(format!("supervisor: too many restarts, the last for {reason:?}"));
                    }
                    self.total += 1;
                    self.children[ended] = self.start(ended, self.children[ended].generation + 1);
                }
                _ = &mut shutdown => {
                    self.stop().await;
                    return Ok(self.total);
                }
            }
        }
    }

    fn start(&mut self, i: usize, generation: u64) -> Child {
        let spec = &self.specs[i];
        let (inbox, rx) = mpsc::unbounded_channel();
        let task = Arc::new(self.tasks.spawn(worker(generation, rx)));
        let child = Child {
            inbox,
            task,
            generation,
        };
        NAMES
            .write()
            .unwrap()
            .insert(spec.name.to_string(), child.clone());
        let _ = spec.announced.send(());
        child
    }

    async fn stop(&mut self) {
        for spec in &self.specs {
            NAMES.write().unwrap().remove(spec.name);
        }
        self.tasks.shutdown().await;
    }
}

pub async fn restart(n: u64) -> Verdict {
    let (announced, mut announcements) = mpsc::unbounded_channel();
    let (shutdown, down) = oneshot::channel();
    let supervisor = Supervisor {
        specs: vec![Spec {
            name: "worker",
            announced,
        }],
        ..Default::default()
    };
    let supervisor = tokio::spawn(supervisor.run(n, Duration::from_secs(5), down));
    announcements
        .recv()
        .await
        .ok_or("the supervisor ended early")?;
    let t = Instant::now();
    let killer = tokio::spawn(async move {
        for i in 0..n {
            whereis("worker")?.task.abort();
            announcements
                .recv()
                .await
                .ok_or("the supervisor ended early")?;
            expect("generation", whereis("worker")?.generation, i + 1)?;
        }
        Ok::<(), String>(())
    });
    let killed = killer.await;
    let seconds = t.elapsed().as_secs_f64();
    killed.map_err(|e| e.to_string())??;
    let (reply, answer) = oneshot::channel();
    whereis("worker")?
        .inbox
        .send(reply)
        .map_err(|_| "the last child is dead")?;
    expect("last child", answer.await.map_err(|e| e.to_string())?, n)?;
    let _ = shutdown.send(());
    expect("restarts", supervisor.await.map_err(|e| e.to_string())??, n)?;
    Ok(Outcome::new(n, seconds))
}
