//! What the shop's services say about their own spans: names, tags, annotations.

use super::{BROKER, Traffic, Visit, number};
use crate::workload::shop::{ANNOTATIONS, Operation, SERVICES, ZONES};
use crate::workload::span::{Kind, Span, Text};

impl Traffic {
    pub(super) fn finish_server(
        &mut self,
        span: &mut Span,
        operation: &Operation,
        how: (&Visit, bool),
    ) {
        let (visit, failed) = how;
        span.kind = Some(Kind::Server);
        span.name = operation_name(operation);
        span.remote.port = 32_768 + self.random.below(28_000) as u16;
        let agent = if operation.service <= 1 {
            Text::Owned(visit.agent.clone())
        } else {
            Text::Borrowed("okhttp/4.12.0")
        };
        span.tag([
            ("http.method", Text::Borrowed(operation.method)),
            ("http.path", path(operation, visit)),
            ("http.route", Text::Borrowed(operation.route)),
            ("http.status_code", status(failed)),
            ("http.user_agent", agent),
            ("mvc.controller.class", Text::Borrowed(operation.class)),
            ("mvc.controller.method", Text::Borrowed(operation.function)),
        ]);
        if failed {
            let text = "java.net.SocketTimeoutException: Read timed out";
            span.tag([("error", Text::Borrowed(text))]);
        }
    }

    pub(super) fn finish_consumer(
        &mut self,
        span: &mut Span,
        operation: &Operation,
        visit: &Visit,
    ) {
        span.kind = Some(Kind::Consumer);
        span.name = Text::Borrowed("poll");
        span.remote.service_name = Text::Borrowed("kafka");
        span.remote.ipv4 = BROKER;
        self.next_offset += 1;
        span.tag([
            ("kafka.topic", Text::Borrowed(operation.route)),
            ("kafka.key", number(visit.customer)),
            ("kafka.partition", number(visit.customer % 12)),
            ("kafka.offset", number(self.next_offset)),
            (
                "consumer.group",
                Text::Borrowed(SERVICES[operation.service].name),
            ),
            ("listener.class", Text::Borrowed(operation.class)),
        ]);
    }

    /// Adds what every server and consumer tags.
    pub(super) fn finish(&mut self, span: &mut Span, operation: &Operation, visit: &Visit) {
        self.tag_process(span);
        let zone = ZONES[usize::from(span.instance) % ZONES.len()];
        span.tag([("cloud.zone", Text::Borrowed(zone))]);
        if !matches!(operation.service, 2 | 7) {
            span.tag([("customer.id", number(visit.customer))]);
        }
        if matches!(operation.service, 0 | 5 | 6) {
            let id = Text::Owned(visit.request_id.clone());
            span.tag([("request.id", id)]);
        }
        self.annotate(span);
    }

    pub(super) fn tag_process(&self, span: &mut Span) {
        let process = &self.instances[usize::from(span.instance)];
        let version = SERVICES[process.service].version;
        span.tag([
            ("k8s.pod.name", Text::Owned(process.pod_name.clone())),
            ("service.version", Text::Borrowed(version)),
        ]);
    }

    /// One span in ten has two annotations.
    pub(super) fn annotate(&mut self, span: &mut Span) {
        if self.random.chance(100) {
            let (first, second) = ANNOTATIONS[self.random.index(ANNOTATIONS.len())];
            let half_us = (span.duration_us / 2).max(2);
            let at = span.timestamp_us + self.random.below(half_us);
            let later = at + self.random.below(half_us);
            span.annotations
                .extend([(at, Text::Borrowed(first)), (later, Text::Borrowed(second))]);
        }
    }
}

pub(super) fn operation_name(operation: &Operation) -> Text {
    Text::Owned(format!(
        "{} {}",
        operation.method.to_ascii_lowercase(),
        operation.route
    ))
}

pub(super) fn status(failed: bool) -> Text {
    Text::Borrowed(if failed { "500" } else { "200" })
}

/// Returns the operation's route with the visit's ids filled in.
pub(super) fn path(operation: &Operation, visit: &Visit) -> Text {
    if !operation.route.contains('{') {
        return Text::Borrowed(operation.route);
    }
    let sku = format!("SKU-{:06}", visit.product);
    Text::Owned(
        operation
            .route
            .replace("{id}", &visit.product.to_string())
            .replace("{cartId}", &visit.cart)
            .replace("{sku}", &sku)
            .replace("{userId}", &visit.customer.to_string()),
    )
}
