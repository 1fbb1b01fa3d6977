//! Addresses of endpoints as the dictionary of addresses knows them: byte strings, made without
//! memory of their own. What they mean is read in [`crate::dictionary`].

use speargun_model::SpanView;
use speargun_model::batch::EndpointRecord;

/// Flags, both addresses and a port.
const BYTES_MAX: usize = 1 + 4 + 16 + 2;

/// What is kept of an endpoint beside its name: flags, IPv4, IPv6; of a local one its port too,
/// while ports of callers are ephemeral and have a column of their own.
pub(super) struct AddressKey {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl AddressKey {
    pub(super) fn of(endpoint: &EndpointRecord, span: &SpanView<'_>) -> Self {
        let ipv6 = span.ipv6(endpoint);
        let mut key = Self {
            bytes: [0; BYTES_MAX],
            len: 0,
        };
        key.append([u8::from(endpoint.has_ipv4) | u8::from(ipv6.is_some()) << 1]);
        if endpoint.has_ipv4 {
            key.append(endpoint.ipv4.to_be_bytes());
        }
        if let Some(ipv6) = ipv6 {
            key.append(ipv6);
        }
        key
    }

    pub(super) fn with_port(mut self, port: u16) -> Self {
        self.append(port.to_le_bytes());
        self
    }

    #[inline]
    fn append<const N: usize>(&mut self, part: [u8; N]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + N) {
            place.copy_from_slice(&part);
            self.len += N;
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
