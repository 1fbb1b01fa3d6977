//! Gzip as Zipkin reads it, and bombs.

use super::*;
use std::io::Write;

const CAP: usize = 1 << 20;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn inflate(encoding: Encoding, body: &[u8]) -> Result<Vec<u8>, InflateError> {
    Inflater::new(CAP)
        .inflate(encoding, &Bytes::copy_from_slice(body))
        .map(|bytes| bytes.to_vec())
}

#[test]
fn a_packed_body_comes_back() {
    let body = b"[{\"traceId\":\"1\"}]".repeat(999);
    assert_eq!(inflate(Encoding::Gzip, &gzip(&body)).unwrap(), body);
    let packed = zstd::bulk::compress(&body, 3).unwrap();
    assert_eq!(inflate(Encoding::Zstd, &packed).unwrap(), body);
    assert_eq!(inflate(Encoding::Identity, b"x").unwrap(), b"x");
}

#[test]
fn a_cut_trailer_and_bytes_behind_are_forgiven() {
    let body = b"[{\"traceId\":\"1\"}]";
    let packed = gzip(body);
    for cut in 1..=8 {
        let cut = &packed[..packed.len() - cut];
        assert_eq!(inflate(Encoding::Gzip, cut).unwrap(), body);
    }
    let mut longer = packed;
    longer.extend_from_slice(b"anything");
    assert_eq!(inflate(Encoding::Gzip, &longer).unwrap(), body);
    // As many bytes as a header has are taken for one.
    longer.extend_from_slice(b" more");
    assert_eq!(inflate(Encoding::Gzip, &longer), Err(InflateError::NotGzip));
}

#[test]
fn all_members_are_unpacked() {
    let (one, two) = (
        b"[{\"traceId\":\"1\",".as_slice(),
        b"\"id\":\"1\"}]".as_slice(),
    );
    let members = |parts: &[&[u8]]| {
        parts
            .iter()
            .flat_map(|part| gzip(part))
            .collect::<Vec<u8>>()
    };
    for parts in [
        &[one, two][..],
        // The last trailer is that of the first member too.
        &[one, two, one],
        &[one, one],
        &[b"", one, b"", two, b""],
        &[&[b'x'; 5000], &[b'y'; 5000], two],
    ] {
        let unpacked = inflate(Encoding::Gzip, &members(parts)).unwrap();
        assert_eq!(unpacked, parts.concat());
    }
    let mut cut = members(&[one, two]);
    cut.truncate(cut.len() - 12);
    assert_eq!(inflate(Encoding::Gzip, &cut), Err(InflateError::Cut));
    let mut wrong = members(&[one, two]);
    wrong[gzip(one).len() - 5] ^= 1;
    assert_eq!(inflate(Encoding::Gzip, &wrong), Err(InflateError::Checksum));
    let many = gzip(b"").repeat(MEMBERS_MAX + 1);
    assert_eq!(inflate(Encoding::Gzip, &many), Err(InflateError::Members));
    let half = vec![0; CAP / 2 + 1];
    let bomb = members(&[&half, &half]);
    assert_eq!(
        inflate(Encoding::Gzip, &bomb),
        Err(InflateError::TooLarge(CAP))
    );
}

#[test]
fn a_cut_at_any_earlier_byte_is_refused() {
    let packed = gzip(&b"[{\"traceId\":\"1\",\"id\":\"2\"}]".repeat(20));
    for len in 0..packed.len() - 8 {
        let error = inflate(Encoding::Gzip, &packed[..len]).unwrap_err();
        assert_eq!(error, InflateError::Cut, "{len}");
    }
    let packed = zstd::bulk::compress(&[7; 999], 3).unwrap();
    for len in 1..packed.len() {
        let error = inflate(Encoding::Zstd, &packed[..len]).unwrap_err();
        assert_eq!(error, InflateError::Zstd, "{len}");
    }
}

#[test]
fn what_is_not_gzip_is_named() {
    let text = |body: &[u8]| inflate(Encoding::Gzip, body).unwrap_err().to_string();
    assert_eq!(text(b"[]"), "Cannot gunzip spans");
    assert_eq!(text(&gzip(b"")), "Cannot gunzip spans");
    assert_eq!(
        text(b"[{\"traceId\":\"1\"}]"),
        "Input is not in the GZIP format"
    );
    let mut wrong = gzip(b"[{\"traceId\":\"1\"}]");
    let at = wrong.len() - 8;
    wrong[at] ^= 1;
    assert_eq!(text(&wrong), "CRC value mismatch");
}

#[test]
fn optional_header_fields_are_skipped() {
    let body = b"[{\"traceId\":\"1\"}]";
    let mut encoder = flate2::GzBuilder::new()
        .extra(vec![1; 300])
        .filename("spans")
        .comment("of a test")
        .write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    let packed = encoder.finish().unwrap();
    let cut = &packed[..packed.len() - 3];
    assert_eq!(inflate(Encoding::Gzip, cut).unwrap(), body);
}

#[test]
fn bombs_stop_at_the_cap() {
    let bomb = gzip(&vec![b'['; 50 << 20]);
    let error = Err(InflateError::TooLarge(CAP));
    assert_eq!(inflate(Encoding::Gzip, &bomb), error);
    // A trailer that lies about the size, and one that is cut.
    let mut lying = bomb.clone();
    let at = lying.len() - 4;
    lying[at..].copy_from_slice(&9_u32.to_le_bytes());
    assert_eq!(inflate(Encoding::Gzip, &lying), error);
    assert_eq!(inflate(Encoding::Gzip, &bomb[..bomb.len() - 4]), error);
    let bomb = zstd::bulk::compress(&vec![b'['; 50 << 20], 3).unwrap();
    assert_eq!(inflate(Encoding::Zstd, &bomb), error);
}

#[test]
fn a_body_of_exactly_the_cap_passes() {
    let body = vec![b'['; CAP];
    assert_eq!(inflate(Encoding::Gzip, &gzip(&body)).unwrap().len(), CAP);
    let packed = zstd::bulk::compress(&body, 3).unwrap();
    assert_eq!(inflate(Encoding::Zstd, &packed).unwrap().len(), CAP);
}

#[test]
fn the_header_is_read_as_zipkin_reads_it() {
    assert_eq!(Encoding::from_header(b"x-gzip"), Encoding::Gzip);
    assert_eq!(Encoding::from_header(b"gzip, identity"), Encoding::Gzip);
    assert_eq!(Encoding::from_header(b"GZIP"), Encoding::Identity);
    assert_eq!(Encoding::from_header(b"deflate"), Encoding::Identity);
    assert_eq!(Encoding::from_header(b"zstd"), Encoding::Zstd);
}
