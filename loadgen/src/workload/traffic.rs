//! Walks the shop's tables and makes traces: who calls whom, how long it takes, what is tagged.
//! Encoding and batching are not done here.

mod backends;
mod tags;

use super::random::Random;
use super::shop::{AGENTS, Call, ENTRIES, OPERATIONS, SERVICES};
use super::span::{Endpoint, Kind, Span, Text};
use tags::{operation_name, path, status};

/// Makes traces of the shop; the same seed makes the same ones.
#[derive(Debug)]
pub struct Traffic {
    random: Random,
    instances: Vec<Instance>,
    /// Where a service's instances begin in `instances`.
    first_instance: [usize; SERVICES.len()],
    next_offset: u64,
}

#[derive(Debug)]
struct Instance {
    service: usize,
    pod_name: String,
    ipv4: [u8; 4],
}

/// What all spans of one trace know.
struct Visit {
    trace_id: u128,
    customer: u64,
    product: u64,
    cart: String,
    request_id: String,
    agent: String,
}

/// An operation about to run: who called it, with what ids.
struct Arrival {
    operation: usize,
    start_us: u64,
    id: u64,
    parent_id: u64,
    shared: bool,
    caller: [u8; 4],
}

/// How an operation went.
struct Outcome {
    end_us: u64,
    failed: bool,
}

/// The process that runs an operation, and the span id its calls hang under.
#[derive(Clone, Copy)]
struct Here {
    instance: usize,
    span_id: u64,
}

const BROKER: [u8; 4] = [10, 42, 203, 11];

impl Traffic {
    /// Returns the traffic of `seed`. Instances have the same names whatever the seed.
    pub fn new(seed: u64) -> Self {
        let mut names = Random::new(0x5ea5);
        let mut instances = Vec::new();
        let mut first_instance = [0; SERVICES.len()];
        for (index, service) in SERVICES.iter().enumerate() {
            first_instance[index] = instances.len();
            let replica_set = hex(names.bits(), 10);
            for number in 0..service.instances {
                instances.push(Instance {
                    service: index,
                    pod_name: format!("{}-{replica_set}-{}", service.name, hex(names.bits(), 5)),
                    ipv4: [10, 42, 16 + index as u8, 10 + 7 * number],
                });
            }
        }
        Self {
            random: Random::new(seed),
            instances,
            first_instance,
            next_offset: 1_000_000,
        }
    }

    /// Returns how many processes report spans.
    pub fn instance_count(&self) -> usize {
        self.instances.len()
    }

    /// Returns exactly `count` spans of traces that start inside the window.
    pub fn spans(&mut self, count: usize, start_us: u64, window_us: u64) -> Vec<Span> {
        let mut out = Vec::with_capacity(count + 64);
        while out.len() < count {
            let at = start_us + self.random.below(window_us);
            self.trace(at, &mut out);
        }
        out.truncate(count);
        out
    }

    /// Appends the spans of one trace that starts at `start_us`.
    pub fn trace(&mut self, start_us: u64, out: &mut Vec<Span>) {
        let visit = self.visit();
        let mut share = self.random.below(1000);
        let mut operation = 0;
        for (entry, weight) in ENTRIES {
            operation = entry;
            if share < weight {
                break;
            }
            share -= weight;
        }
        let arrival = Arrival {
            operation,
            start_us,
            id: visit.trace_id as u64 | 1,
            parent_id: 0,
            shared: false,
            caller: [
                81,
                self.random.below(200) as u8,
                self.random.below(255) as u8,
                self.random.below(255) as u8,
            ],
        };
        self.serve(&arrival, &visit, out);
    }

    fn visit(&mut self) -> Visit {
        let trace_id = (u128::from(self.random.bits()) << 64) | u128::from(self.random.bits());
        let agent = AGENTS[self.random.popular(AGENTS.len() as u64) as usize];
        let version = 100 + self.random.below(25);
        let (a, b) = (hex(self.random.bits(), 16), hex(self.random.bits(), 16));
        let (head, tail) = (a.split_at(8), b.split_at(3));
        Visit {
            trace_id,
            customer: 100_000 + self.random.popular(400_000),
            product: 1000 + self.random.popular(20_000),
            cart: hex(self.random.bits(), 12),
            request_id: format!(
                "{}-{}-4{}-a{}-{:.12}",
                head.0,
                &hex(trace_id as u64, 4),
                tail.0,
                hex(self.random.bits(), 3),
                hex(self.random.bits(), 16)
            ),
            agent: agent.replace('#', &version.to_string()),
        }
    }

    /// Runs an operation and all it calls; appends its span first, then its subtree.
    fn serve(&mut self, arrival: &Arrival, visit: &Visit, out: &mut Vec<Span>) -> Outcome {
        let operation = &OPERATIONS[arrival.operation];
        let service = &SERVICES[operation.service];
        let count = usize::from(service.instances);
        let instance = self.first_instance[operation.service] + self.random.index(count);
        let mut span = self.span(instance, visit.trace_id, arrival.id);
        span.parent_id = arrival.parent_id;
        span.shared = arrival.shared;
        span.timestamp_us = arrival.start_us;
        let place = out.len();
        out.push(span);

        let here = Here {
            instance,
            span_id: arrival.id,
        };
        let mut failed = self.random.chance(8);
        let mut now = arrival.start_us + self.random.latency_us(service.median_us * 3 / 10);
        for (call, often) in operation.calls {
            if self.random.chance(*often) {
                let outcome = self.call(*call, here, now, (visit, out));
                failed |= outcome.failed;
                now = outcome.end_us + self.random.latency_us(60);
            }
        }
        let end_us = now + self.random.latency_us(service.median_us / 2);
        let span = &mut out[place];
        span.duration_us = end_us - arrival.start_us;
        if operation.method.is_empty() {
            self.finish_consumer(span, operation, visit);
        } else {
            self.finish_server(span, operation, (visit, failed));
            span.remote.ipv4 = arrival.caller;
        }
        self.finish(span, operation, visit);
        Outcome { end_us, failed }
    }

    fn span(&self, instance: usize, trace_id: u128, id: u64) -> Span {
        let process = &self.instances[instance];
        Span {
            trace_id,
            id,
            duration_us: 1,
            local: Endpoint {
                service_name: Text::Borrowed(SERVICES[process.service].name),
                ipv4: process.ipv4,
                ..Endpoint::default()
            },
            instance: instance as u16,
            ..Span::default()
        }
    }

    fn call(
        &mut self,
        call: Call,
        here: Here,
        now_us: u64,
        (visit, out): (&Visit, &mut Vec<Span>),
    ) -> Outcome {
        let id = self.random.bits() | 1;
        let mut span = self.span(here.instance, visit.trace_id, id);
        span.kind = Some(Kind::Client);
        span.parent_id = here.span_id;
        span.timestamp_us = now_us;
        let mut failed = false;
        match call {
            Call::Http(operation) => failed = self.call_http(operation, &mut span, (visit, out)),
            Call::Message(operation) => self.send(operation, &mut span, (visit, out)),
            Call::Sql(statement) => self.query(statement, &mut span),
            Call::Redis(command) => self.cache(command, &mut span, visit),
            Call::Elastic => self.search(&mut span),
            Call::Provider => self.charge(&mut span),
        }
        self.tag_process(&mut span);
        self.annotate(&mut span);
        let end_us = span.end_us();
        out.push(span);
        Outcome { end_us, failed }
    }

    /// Half of the failed calls fail their caller; returns whether this one does.
    fn call_http(
        &mut self,
        operation: usize,
        span: &mut Span,
        (visit, out): (&Visit, &mut Vec<Span>),
    ) -> bool {
        let callee = out.len();
        let arrival = Arrival {
            operation,
            start_us: span.timestamp_us + self.random.latency_us(180),
            id: span.id,
            parent_id: span.parent_id,
            shared: true,
            caller: span.local.ipv4,
        };
        let outcome = self.serve(&arrival, visit, out);
        let operation = &OPERATIONS[operation];
        span.name = operation_name(operation);
        span.duration_us = outcome.end_us - span.timestamp_us + self.random.latency_us(150);
        span.remote = Endpoint {
            port: 8080,
            ..out[callee].local.clone()
        };
        span.tag([
            ("http.method", Text::Borrowed(operation.method)),
            ("http.path", path(operation, visit)),
            ("http.status_code", status(outcome.failed)),
        ]);
        if outcome.failed {
            span.tag([("error", Text::Borrowed("500"))]);
        }
        outcome.failed && self.random.chance(500)
    }

    fn send(&mut self, operation: usize, span: &mut Span, (visit, out): (&Visit, &mut Vec<Span>)) {
        span.kind = Some(Kind::Producer);
        span.name = Text::Borrowed("send");
        span.duration_us = self.random.latency_us(400);
        span.remote = backends::remote("kafka", BROKER, 9092);
        span.tag([
            ("kafka.topic", Text::Borrowed(OPERATIONS[operation].route)),
            ("kafka.key", number(visit.customer)),
            ("kafka.partition", number(visit.customer % 12)),
        ]);
        let arrival = Arrival {
            operation,
            start_us: span.end_us() + self.random.latency_us(30_000),
            id: self.random.bits() | 1,
            parent_id: span.id,
            shared: false,
            caller: BROKER,
        };
        self.serve(&arrival, visit, out);
    }
}

pub(super) fn number(value: u64) -> Text {
    Text::Owned(value.to_string())
}

/// Returns the first `digits` hex digits of `value`.
pub(super) fn hex(value: u64, digits: usize) -> String {
    let mut text = format!("{value:016x}");
    text.truncate(digits);
    text
}
