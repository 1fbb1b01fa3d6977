//! Binary annotations: most are tags, three name the other party of a call or a message. Whose
//! remote endpoint that is follows from the annotations, which were read before.

use super::{Conversion, Core};
use crate::batch::{EndpointRecord, Text};
use crate::codec::DecodeError;
use crate::codec::v1::forks::FIRST;
use crate::codec::v1::known;
use crate::span::Kind;

impl Conversion<'_> {
    /// Reads all of them; the annotations must have been read.
    pub(super) fn binary_annotations(&mut self) -> Result<(), DecodeError> {
        let (mut ca, mut sa, mut ma) = (None, None, None);
        for annotation in &self.source.binary_annotations {
            let address = match self.texts.bytes(annotation.key) {
                b"ca" => &mut ca,
                b"sa" => &mut sa,
                b"ma" => &mut ma,
                key => {
                    let fork = self.forks.of(annotation.endpoint, self.texts)?;
                    // This one only says who is local.
                    if key != b"lc" || !annotation.value.is_empty() {
                        self.forks.tag(fork, annotation.key, annotation.value);
                    }
                    continue;
                }
            };
            // Some tracers wrote them as text, so the value is not asked.
            *address = annotation.endpoint;
        }
        let Core { cs, cr, sr, ss, .. } = self.core;
        if cs.or(cr).or(sr).or(ss).is_none() && ca.or(sa).is_some() {
            return self.addresses_alone(ca, sa);
        }
        if let (Some(ca), Some(server)) = (ca, sr.or(ss)) {
            self.caller(ca, server.endpoint)?;
        }
        if let (Some(sa), Some(client)) = (sa, cs.or(cr)) {
            self.set_remote(client.endpoint, sa)?;
        }
        if let Some(ma) = ma {
            let Core { ms, mr, .. } = self.core;
            for end in [ms, mr].into_iter().flatten() {
                self.set_remote(end.endpoint, ma)?;
            }
        }
        Ok(())
    }

    fn addresses_alone(
        &mut self,
        ca: Option<EndpointRecord>,
        sa: Option<EndpointRecord>,
    ) -> Result<(), DecodeError> {
        let fork = match (ca, sa) {
            (Some(ca), Some(_)) => self.forks.of(Some(ca), self.texts)?,
            _ => FIRST,
        };
        let span = self.forks.get(fork);
        if sa.is_none() {
            span.kind = Some(Kind::Server);
        }
        span.remote = sa.or(ca).unwrap_or_default();
        Ok(())
    }

    /// Finagle says a caller with the server's own name and the port of the socket; with the name
    /// it would be a link from the service to itself.
    fn caller(
        &mut self,
        mut ca: EndpointRecord,
        server: EndpointRecord,
    ) -> Result<(), DecodeError> {
        if self.same_endpoint(&ca, &server) {
            return Ok(());
        }
        if self.same_service(&ca, &server) {
            ca.service_name = Text::default();
        }
        self.set_remote(server, ca)
    }

    fn set_remote(
        &mut self,
        of: EndpointRecord,
        remote: EndpointRecord,
    ) -> Result<(), DecodeError> {
        let fork = self.forks.of(Some(of), self.texts)?;
        self.forks.get(fork).remote = known(remote).unwrap_or_default();
        Ok(())
    }

    fn same_endpoint(&self, a: &EndpointRecord, b: &EndpointRecord) -> bool {
        let ipv6 = |endpoint: &EndpointRecord| {
            let index = (endpoint.ipv6 as usize).checked_sub(1)?;
            self.texts.ipv6.get(index)
        };
        self.same_service(a, b)
            && (a.has_ipv4, a.ipv4, a.port) == (b.has_ipv4, b.ipv4, b.port)
            && ipv6(a) == ipv6(b)
    }
}
