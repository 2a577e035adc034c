//! A server actor: a task that owns one integer, with synchronous calls and asynchronous casts.

use std::collections::HashMap;
use std::fmt;
use std::sync::RwLock;
use std::time::Duration;

use once_cell::sync::Lazy;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);

enum Request {
    /// Answered with the server's state after adding.
    Call {
        add: i64,
        reply: oneshot::Sender<i64>,
    },
    Cast {
        add: i64,
    },
}

#[derive(Debug)]
pub enum CallError {
    Timeout,
    Down,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CallError::Timeout => "call: no reply in time",
            CallError::Down => "call: server is down",
        })
    }
}

#[derive(Clone)]
pub struct Server {
    inbox: mpsc::UnboundedSender<Request>,
}

impl Server {
    /// Starts a server; it ends when its last handle is dropped.
    pub fn start() -> Server {
        let (inbox, rx) = mpsc::unbounded_channel();
        tokio::spawn(serve(rx));
        Server { inbox }
    }

    pub async fn call(&self, add: i64) -> Result<i64, CallError> {
        let (reply, answer) = oneshot::channel();
        self.inbox
            .send(Request::Call { add, reply })
            .map_err(|_| CallError::Down)?;
        match timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(CallError::Down), // the server dropped the request unanswered
            Err(_) => Err(CallError::Timeout),
        }
    }

    pub fn cast(&self, add: i64) -> Result<(), CallError> {
        self.inbox
            .send(Request::Cast { add })
            .map_err(|_| CallError::Down)
    }
}

async fn serve(mut inbox: mpsc::UnboundedReceiver<Request>) {
    let mut state = 0;
    while let Some(request) = inbox.recv().await {
        match request {
            Request::Call { add, reply } => {
                state += add;
                let _ = reply.send(state); // the caller may have given up
            }
            Request::Cast { add } => state += add,
        }
    }
}

static NAMES: Lazy<RwLock<HashMap<String, Server>>> = Lazy::new(Default::default);

pub fn register(name: &str, server: Server) {
    NAMES.write().unwrap().insert(name.to_string(), server);
}

pub fn whereis(name: &str) -> Option<Server> {
    NAMES.read().unwrap().get(name).cloned()
}
