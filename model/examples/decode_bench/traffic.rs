//! Made-up spans of a shop: the mix of kinds, number and length of tags that instrumented HTTP
//! services send. The seed decides everything; it is no model of traces, only of spans.

use speargun_model::{Annotation, Endpoint, Kind, Span, SpanId, TraceId};

/// Makes spans.
pub(crate) struct Traffic {
    state: u64,
}

const SERVICES: [&str; 6] = [
    "gateway",
    "storefront",
    "catalog",
    "checkout",
    "inventory",
    "order-processor",
];

const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36";

const QUERY: &str =
    "select p.id, p.sku, p.name, p.price_cents from products p where p.category_id = ? limit 24";

impl Traffic {
    /// Returns the traffic of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The `SplitMix64` generator.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random() % bound
    }

    fn service(&mut self) -> &'static str {
        let index = self.below(SERVICES.len() as u64) as usize;
        SERVICES.get(index).copied().unwrap_or("gateway")
    }

    /// Returns a batch as a reporter sends it.
    pub(crate) fn batch(&mut self, spans: usize) -> Vec<Span> {
        (0..spans).map(|_| self.span()).collect()
    }

    fn span(&mut self) -> Span {
        let server = self.below(100) < 35;
        let service = self.service();
        let timestamp_us = 1_760_000_000_000_000 + self.below(3_600_000_000);
        let mut tags = if server {
            self.server_tags()
        } else {
            self.client_tags()
        };
        tags.push((
            "k8s.pod.name".into(),
            format!("{service}-5d8f7c9b4-x2k{}", self.below(90)),
        ));
        tags.push(("service.version".into(), format!("7.{}.1", self.below(20))));
        tags.sort();
        Span {
            trace_id: TraceId {
                high: self.random(),
                low: self.random(),
            },
            parent_id: Some(SpanId(self.random())),
            id: SpanId(self.random()),
            kind: Some(if server { Kind::Server } else { Kind::Client }),
            name: Some("get /api/v1/products/{id}".into()),
            timestamp_us,
            duration_us: 200 + self.below(90_000),
            local_endpoint: Some(self.endpoint(service, 0)),
            remote_endpoint: Some(self.endpoint("postgres", 5432)),
            annotations: self.annotations(timestamp_us),
            tags,
            debug: false,
            shared: server,
        }
    }

    fn endpoint(&mut self, service: &str, port: u16) -> Endpoint {
        let host = self.below(250) as u8;
        Endpoint {
            service_name: Some(service.into()),
            ipv4: Some([10, 42, 16, host].into()),
            ipv6: None,
            port,
        }
    }

    fn annotations(&mut self, timestamp_us: u64) -> Vec<Annotation> {
        let at = |value: &str, after: u64| Annotation {
            timestamp_us: (timestamp_us + after).cast_signed(),
            value: value.into(),
        };
        if self.below(10) == 0 {
            vec![at("cache.miss", 10), at("response.first_byte", 120)]
        } else {
            Vec::new()
        }
    }

    fn server_tags(&mut self) -> Vec<(String, String)> {
        let id = self.below(90_000);
        [
            ("http.method", "GET".to_owned()),
            ("http.path", format!("/api/v1/products/{id}")),
            ("http.route", "/api/v1/products/{id}".into()),
            ("http.status_code", "200".into()),
            ("http.user_agent", AGENT.into()),
            (
                "mvc.controller.class",
                "com.shop.catalog.api.ProductResource".into(),
            ),
            ("mvc.controller.method", "findById".into()),
            ("cloud.zone", "eu-west-1a".into()),
            ("customer.id", self.below(400_000).to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    fn client_tags(&mut self) -> Vec<(String, String)> {
        [
            ("sql.query", QUERY.to_owned()),
            ("db.instance", "shop_catalog".into()),
            ("db.rows", self.below(25).to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}
