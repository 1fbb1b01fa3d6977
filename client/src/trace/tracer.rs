//! Begins spans: makes ids, asks the sampler at the root, and hands what has ended to the reporter.

use std::sync::Arc;

use speargun_model::{Endpoint, Kind, Span, SpanId, TraceId};

use super::context::{Sampling, TraceContext};
use super::current::current;
use super::propagation::{Extracted, Propagation};
use super::sampler::{LiveSampler, Sampler};
use super::span::ActiveSpan;
use crate::clock::{Clock, SystemClock};
use crate::report::Reporter;

/// How traces are made.
#[derive(Debug)]
pub struct TracerSettings {
    /// Who this process is in traces; the name is lower-cased.
    pub local: Endpoint,
    /// Which new traces are kept.
    pub sampler: Sampler,
    /// Headers.
    pub propagation: Propagation,
    /// Whether new trace ids have 128 bits, as W3C wants them, or 64, as Sleuth makes them.
    pub trace_id_128: bool,
    /// Whether a server's span has the id of the client's, as Brave and Sleuth do it with B3.
    pub join: bool,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl TracerSettings {
    /// Returns the defaults for a service: all traces are kept.
    pub fn new(service_name: &str) -> Self {
        Self {
            local: Endpoint {
                service_name: Some(service_name.to_owned()),
                ..Endpoint::default()
            },
            sampler: Sampler::always(),
            propagation: Propagation::default(),
            trace_id_128: true,
            join: true,
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// Begins spans. Clones are the same tracer.
#[derive(Clone, Debug)]
pub struct Tracer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sampler: LiveSampler,
    propagation: Propagation,
    trace_id_128: bool,
    join: bool,
    clock: Arc<dyn Clock>,
    reporter: Reporter,
}

impl Tracer {
    /// Returns a tracer whose spans go to this reporter.
    pub fn new(settings: TracerSettings, reporter: Reporter) -> Self {
        let mut local = settings.local;
        local.service_name = local.service_name.map(|name| name.to_lowercase());
        reporter.speak_for(local);
        Self(Arc::new(Inner {
            sampler: LiveSampler::new(settings.sampler),
            propagation: settings.propagation,
            trace_id_128: settings.trace_id_128,
            join: settings.join,
            clock: settings.clock,
            reporter,
        }))
    }

    /// Begins a local span: a child of the current one, or the root of a new trace.
    pub fn start(&self, name: &str) -> ActiveSpan {
        let context = match current() {
            Some(parent) => self.child(&parent),
            None => self.root(Sampling::Deferred, None),
        };
        let mut span = ActiveSpan::begin(self.clone(), context, false);
        span.name(name);
        span
    }

    /// Begins a child of this context, or the root of a new trace when there is none.
    pub fn start_within(&self, parent: Option<&TraceContext>) -> ActiveSpan {
        let context = match parent {
            Some(parent) => self.child(parent),
            None => self.root(Sampling::Deferred, None),
        };
        ActiveSpan::begin(self.clone(), context, false)
    }

    /// Begins the span of a server that got a request with these headers.
    pub fn serve(&self, extracted: Extracted) -> ActiveSpan {
        let (mut context, shared) = match extracted.caller {
            Some(caller) if self.0.join && extracted.joinable => (caller, true),
            Some(caller) => (caller.child(new_span_id()), false),
            None => (self.root(extracted.sampling, extracted.carried), false),
        };
        // A span that decides for itself is not the client's: that one was not recorded.
        let shared = shared && context.sampling.is_kept();
        self.decide(&mut context);
        let mut span = ActiveSpan::begin(self.clone(), context, shared);
        span.kind(Kind::Server);
        span
    }

    /// Returns what the headers are written and read by.
    pub fn propagation(&self) -> &Propagation {
        &self.0.propagation
    }

    /// Returns the sampler, which can be exchanged.
    pub fn sampler(&self) -> &LiveSampler {
        &self.0.sampler
    }

    /// Returns where spans go.
    pub fn reporter(&self) -> &Reporter {
        &self.0.reporter
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(super) fn report(&self, span: Span) {
        self.0.reporter.report(span);
    }

    fn child(&self, parent: &TraceContext) -> TraceContext {
        let mut context = parent.child(new_span_id());
        self.decide(&mut context);
        context
    }

    fn root(
        &self,
        sampling: Sampling,
        carried: Option<Arc<super::context::Carried>>,
    ) -> TraceContext {
        let low = new_span_id().0;
        let high = if self.0.trace_id_128 {
            // Seconds in front, as Brave does, so that ids of one time stand together.
            let seconds = self.0.clock.epoch_us() / 1_000_000;
            seconds << 32 | u64::from(fastrand::u32(..))
        } else {
            0
        };
        let mut context = TraceContext {
            trace_id: TraceId { high, low },
            span_id: SpanId(low),
            parent_id: None,
            sampling,
            carried,
        };
        self.decide(&mut context);
        context
    }

    fn decide(&self, context: &mut TraceContext) {
        if context.sampling == Sampling::Deferred {
            let kept = self.0.sampler.is_sampled(context.trace_id.low);
            context.sampling = if kept {
                Sampling::Accept
            } else {
                Sampling::Deny
            };
        }
    }
}

fn new_span_id() -> SpanId {
    // Zero is no id.
    SpanId(fastrand::u64(1..))
}

#[cfg(test)]
mod tests;
