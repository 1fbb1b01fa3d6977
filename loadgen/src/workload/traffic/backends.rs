//! Calls that leave the shop's own services: databases, caches, the search cluster, the payment
//! provider. Only the caller reports them, so each is one span.

use super::{Traffic, Visit, hex, number};
use crate::workload::shop::{COMMANDS, CacheKey, Database, STATEMENTS};
use crate::workload::span::{Endpoint, Span, Text};

impl Traffic {
    pub(super) fn query(&mut self, statement: usize, span: &mut Span) {
        let (database, text) = STATEMENTS[statement];
        let verb = text.split(' ').next().unwrap_or(text);
        span.name = Text::Borrowed(verb);
        span.duration_us = self
            .random
            .latency_us(if statement < 3 { 1100 } else { 700 });
        span.remote = match database {
            Database::Orders => remote("postgres", [10, 42, 200, 5], 5432),
            Database::Reads => remote("mysql", [10, 42, 200, 6], 3306),
        };
        span.tag([
            ("sql.query", Text::Borrowed(text)),
            (
                "db.instance",
                Text::Owned(format!("shop_{}", span.local.service_name)),
            ),
            ("db.rows", number(self.random.below(25))),
        ]);
        if self.random.chance(3) {
            let text = "Deadlock found when trying to get lock; try restarting transaction";
            span.tag([("error", Text::Borrowed(text))]);
        }
    }

    pub(super) fn cache(&mut self, command: usize, span: &mut Span, visit: &Visit) {
        let (command, key) = COMMANDS[command];
        span.name = Text::Owned(command.to_ascii_lowercase());
        span.duration_us = self.random.latency_us(260);
        span.remote = remote("redis", [10, 42, 201, 7], 6379);
        let key = match key {
            CacheKey::Popular(prefix) => format!("{prefix}:{}", self.random.popular(400)),
            CacheKey::Item(prefix) => format!("{prefix}:{}", visit.product),
            CacheKey::Cart => format!("cart:{}", visit.cart),
            CacheKey::Session => format!("session:{:.16}", visit.request_id),
            CacheKey::Customer => format!("reco:{}", visit.customer),
        };
        let hit = if self.random.chance(800) {
            "true"
        } else {
            "false"
        };
        span.tag([
            ("redis.command", Text::Borrowed(command)),
            ("cache.key", Text::Owned(key)),
            ("cache.hit", Text::Borrowed(hit)),
        ]);
    }

    pub(super) fn search(&mut self, span: &mut Span) {
        span.name = Text::Borrowed("post /products/_search");
        span.duration_us = self.random.latency_us(6000);
        span.remote = remote("elasticsearch", [10, 42, 202, 9], 9200);
        span.tag([
            ("http.method", Text::Borrowed("POST")),
            ("http.path", Text::Borrowed("/products/_search")),
            ("es.took_ms", number(span.duration_us / 1000)),
        ]);
    }

    pub(super) fn charge(&mut self, span: &mut Span) {
        span.name = Text::Borrowed("post");
        span.duration_us = self.random.latency_us(90_000);
        span.remote = remote("psp", [185, 60, 112, 14], 443);
        let reference = format!("ch_{}", hex(self.random.bits(), 16));
        span.tag([
            ("http.method", Text::Borrowed("POST")),
            ("http.path", Text::Borrowed("/v3/charges")),
            ("psp.reference", Text::Owned(reference)),
        ]);
        if self.random.chance(20) {
            span.tag([("error", Text::Borrowed("402"))]);
        }
    }
}

pub(super) fn remote(service_name: &'static str, ipv4: [u8; 4], port: u16) -> Endpoint {
    Endpoint {
        service_name: Text::Borrowed(service_name),
        ipv4,
        port,
        ..Endpoint::default()
    }
}
