//! Lets a fuzzer get behind the checksums: takes a sound segment file apart, changes what is inside
//! and makes all lengths and checksums right again. Nothing but fuzz targets uses it.

use crate::bytes::{Reader, Writer};
use crate::error::Corrupt;
use crate::format::{
    CHUNK_IDS, Directory, Extent, FOOTER_BYTES, Footer, HEADER_BYTES, SectionKind, checksum,
};
use crate::pack::unpack;
use crate::page_encode::STREAMS;

/// A change of one byte of one part, or of a part's length.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// Which part: streams of pages first, then sections, then the directory; taken modulo.
    pub part: u16,
    /// Where in the part; taken modulo.
    pub offset: u16,
    /// What to put there.
    pub value: u8,
    /// How: put, add, insert, remove, or cut the part off.
    pub how: u8,
}

/// A page taken apart: its streams unpacked, and the columns present.
struct OpenPage {
    columns: Vec<u64>,
    streams: Vec<Vec<u8>>,
}

/// Returns the segment file with these edits, or `None` when it is not sound to begin with.
pub fn edited(segment: &[u8], edits: &[Edit]) -> Option<Vec<u8>> {
    edit(segment, edits).ok()
}

fn edit(segment: &[u8], edits: &[Edit]) -> Result<Vec<u8>, Corrupt> {
    let bytes = segment.last_chunk::<FOOTER_BYTES>();
    let footer = Footer::decode(bytes.ok_or(Corrupt("no footer"))?)?;
    let mut directory = Directory::decode(&raw(segment, &footer.directory)?)?;
    let mut pages = Vec::new();
    for page in &directory.pages {
        pages.push(open_page(stored(segment, &page.extent)?)?);
    }
    let mut sections = Vec::new();
    for section in &directory.sections {
        let bytes = raw(segment, &section.extent)?;
        sections.push(if section.kind == SectionKind::Lows {
            without_sums(&bytes)
        } else {
            bytes
        });
    }
    let mut parts: Vec<&mut Vec<u8>> = pages.iter_mut().flat_map(|p| &mut p.streams).collect();
    parts.extend(&mut sections);
    let count = parts.len() + 1;
    let (inner, of_directory): (Vec<&Edit>, Vec<&Edit>) = edits
        .iter()
        .partition(|edit| edit.part as usize % count < count - 1);
    for edit in inner {
        if let Some(part) = parts.get_mut(edit.part as usize % count) {
            apply(part, *edit);
        }
    }
    let mut out = segment.get(..HEADER_BYTES).unwrap_or_default().to_vec();
    for (entry, page) in directory.pages.iter_mut().zip(&pages) {
        entry.extent = put(&mut out, &close_page(page));
    }
    for (section, bytes) in directory.sections.iter_mut().zip(&sections) {
        section.extent = if section.kind == SectionKind::Lows {
            put(&mut out, &with_sums(bytes))
        } else {
            put(&mut out, bytes)
        };
    }
    let mut raw = directory.encode();
    of_directory.iter().for_each(|edit| apply(&mut raw, **edit));
    let packed = zstd::bulk::compress(&raw, 1).unwrap_or_default();
    let directory = Extent {
        raw: raw.len() as u32,
        compressed: true,
        ..put(&mut out, &packed)
    };
    out.extend_from_slice(
        &Footer {
            directory,
            ..footer
        }
        .encode(),
    );
    Ok(out)
}

fn stored<'s>(segment: &'s [u8], extent: &Extent) -> Result<&'s [u8], Corrupt> {
    let start = extent.offset as usize;
    let bytes = segment.get(start..start.saturating_add(extent.stored as usize));
    bytes.ok_or(Corrupt("an extent lies beyond the file"))
}

fn raw(segment: &[u8], extent: &Extent) -> Result<Vec<u8>, Corrupt> {
    let stored = stored(segment, extent)?;
    unpack(stored.into(), extent.raw as usize, extent.compressed)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Extent {
    let offset = out.len() as u64;
    out.extend_from_slice(bytes);
    Extent {
        offset,
        stored: bytes.len() as u32,
        raw: bytes.len() as u32,
        compressed: false,
        checksum: checksum(bytes),
    }
}

fn apply(part: &mut Vec<u8>, edit: Edit) {
    if part.is_empty() || edit.how % 5 == 2 {
        part.insert(edit.offset as usize % (part.len() + 1), edit.value);
        return;
    }
    let at = edit.offset as usize % part.len();
    match (edit.how % 5, part.get_mut(at)) {
        (0, Some(byte)) => *byte = edit.value,
        (1, Some(byte)) => *byte = byte.wrapping_add(edit.value),
        (3, _) => {
            part.remove(at);
        }
        _ => part.truncate(at),
    }
}

/// Reads the table of a page as [`crate::page_encode`] draws it, and unpacks all streams.
fn open_page(stored: &[u8]) -> Result<OpenPage, Corrupt> {
    let mut reader = Reader::new(stored);
    let table_len = crate::format::u32_le(reader.take(4)?) as usize;
    let mut table = Reader::new(reader.take(table_len)?);
    let present = table.size()?;
    let mut page = OpenPage {
        columns: vec![],
        streams: vec![],
    };
    let mut next = |page: &mut OpenPage, table: &mut Reader<'_>| {
        let (raw, stored) = (table.size()?, table.size()?);
        let bytes = reader.take(stored >> 1)?;
        page.streams
            .push(unpack(bytes.into(), raw, stored & 1 == 1)?);
        Ok(())
    };
    for _ in 0..STREAMS {
        next(&mut page, &mut table)?;
    }
    for _ in 0..present {
        page.columns.push(table.number()?);
        for _ in 0..3 {
            next(&mut page, &mut table)?;
        }
    }
    Ok(page)
}

fn close_page(page: &OpenPage) -> Vec<u8> {
    let mut table = Writer::default();
    table.number(page.columns.len() as u64);
    for (index, stream) in page.streams.iter().enumerate() {
        let of_column = index.checked_sub(STREAMS).filter(|of| of % 3 == 0);
        if let Some(column) = of_column.and_then(|of| page.columns.get(of / 3)) {
            table.number(*column);
        }
        table.number(stream.len() as u64);
        table.number((stream.len() as u64) << 1);
    }
    let mut out = (table.out.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&table.out);
    page.streams
        .iter()
        .for_each(|stream| out.extend_from_slice(stream));
    out
}

fn without_sums(table: &[u8]) -> Vec<u8> {
    let chunks = table.chunks(CHUNK_IDS * 8 + 4);
    let ids = chunks.filter_map(|chunk| chunk.get(..chunk.len().saturating_sub(4)));
    ids.flatten().copied().collect()
}

fn with_sums(ids: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in ids.chunks(CHUNK_IDS * 8) {
        out.extend_from_slice(chunk);
        out.extend_from_slice(&checksum(chunk).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_one_byte_or_one_length() {
        let edit = |how| Edit {
            part: 0,
            offset: 1,
            value: 7,
            how,
        };
        let applied = |how| {
            let mut part = vec![1, 2, 3];
            apply(&mut part, edit(how));
            part
        };
        assert_eq!(applied(0), [1, 7, 3]);
        assert_eq!(applied(1), [1, 9, 3]);
        assert_eq!(applied(2), [1, 7, 2, 3]);
        assert_eq!(applied(3), [1, 3]);
        assert_eq!(applied(4), [1]);
    }

    #[test]
    fn what_is_no_segment_is_not_edited() {
        assert!(edited(&[0; 100], &[]).is_none());
    }
}
