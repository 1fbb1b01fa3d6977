//! Without faults the simulated disk behaves as the machine's own: the same random operations on
//! both, the same answers. What only the simulated one does is tested below.

#![expect(clippy::unwrap_used, reason = "test harness")]

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use speargun_runtime::{Disk, DiskFile, RealDisk, SimulatedDisk};

#[derive(Clone, Debug)]
enum Action {
    Create(u8),
    Open(u8),
    Write(u8, u16, Vec<u8>),
    Read(u8, u16, u16),
    SetLen(u8, u16),
    Len(u8),
    Sync(u8),
    Rename(u8, u8),
    Remove(u8),
    List,
    SyncDir,
}

fn action() -> impl Strategy<Value = Action> {
    let file = 0..4_u8;
    let bytes = proptest::collection::vec(any::<u8>(), 0..1500);
    prop_oneof![
        file.clone().prop_map(Action::Create),
        file.clone().prop_map(Action::Open),
        (file.clone(), 0..3000_u16, bytes).prop_map(|(f, at, b)| Action::Write(f, at, b)),
        (file.clone(), 0..3000_u16, 0..2000_u16).prop_map(|(f, at, n)| Action::Read(f, at, n)),
        (file.clone(), 0..3000_u16).prop_map(|(f, len)| Action::SetLen(f, len)),
        file.clone().prop_map(Action::Len),
        file.clone().prop_map(Action::Sync),
        (file.clone(), file.clone()).prop_map(|(a, b)| Action::Rename(a, b)),
        file.prop_map(Action::Remove),
        Just(Action::List),
        Just(Action::SyncDir),
    ]
}

/// One of the two disks, with the handles opened on it.
struct Side {
    disk: Box<dyn Disk>,
    dir: PathBuf,
    handles: [Option<Arc<dyn DiskFile>>; 4],
}

impl Side {
    fn new(disk: Box<dyn Disk>, dir: PathBuf) -> Self {
        disk.create_dir_all(&dir).unwrap();
        Self {
            disk,
            dir,
            handles: [None, None, None, None],
        }
    }

    fn path(&self, file: u8) -> PathBuf {
        self.dir.join(format!("file-{file}"))
    }

    /// Returns what a program sees: the bytes, or the kind of error.
    fn run(&mut self, action: &Action) -> Result<Vec<u8>, ErrorKind> {
        let handle = |file: &u8| self.handles[usize::from(*file)].clone();
        let answer = match action {
            Action::Create(file) => self.disk.create(&self.path(*file)).map(|handle| {
                self.handles[usize::from(*file)] = Some(handle);
                Vec::new()
            }),
            Action::Open(file) => self.disk.open(&self.path(*file)).map(|handle| {
                self.handles[usize::from(*file)] = Some(handle);
                Vec::new()
            }),
            Action::Write(file, at, bytes) => handle(file).map_or(Ok(Vec::new()), |handle| {
                let (first, second) = bytes.split_at(bytes.len() / 3);
                let parts = [IoSlice::new(first), IoSlice::new(second)];
                handle
                    .write_all_at(&parts, u64::from(*at))
                    .map(|()| Vec::new())
            }),
            Action::Read(file, at, count) => handle(file).map_or(Ok(Vec::new()), |handle| {
                let mut bytes = vec![0; usize::from(*count)];
                handle
                    .read_exact_at(&mut bytes, u64::from(*at))
                    .map(|()| bytes)
            }),
            Action::SetLen(file, len) => handle(file).map_or(Ok(Vec::new()), |handle| {
                handle.set_len(u64::from(*len)).map(|()| Vec::new())
            }),
            Action::Len(file) => handle(file).map_or(Ok(Vec::new()), |handle| {
                handle.len().map(|len| len.to_le_bytes().to_vec())
            }),
            Action::Sync(file) => handle(file).map_or(Ok(Vec::new()), |handle| {
                handle.sync_data().map(|()| Vec::new())
            }),
            Action::Rename(from, to) => self
                .disk
                .rename(&self.path(*from), &self.path(*to))
                .map(|()| Vec::new()),
            Action::Remove(file) => self.disk.remove(&self.path(*file)).map(|()| Vec::new()),
            Action::List => self.disk.list(&self.dir).map(|paths| {
                let names = paths.iter().filter_map(|path| path.file_name());
                names
                    .flat_map(|name| name.as_encoded_bytes().to_vec())
                    .collect()
            }),
            Action::SyncDir => self.disk.sync_dir(&self.dir).map(|()| Vec::new()),
        };
        answer.map_err(|error| error.kind())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(128)
    })]

    #[test]
    fn simulated_and_real_disk_agree(actions in proptest::collection::vec(action(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let mut real = Side::new(Box::new(RealDisk), folder.path().join("a/b"));
        let mut simulated = Side::new(Box::new(SimulatedDisk::new()), PathBuf::from("/a/b"));
        for action in &actions {
            prop_assert_eq!(real.run(action), simulated.run(action), "{:?}", action);
        }
    }

    #[test]
    fn crash_keeps_what_was_synced(
        seed: u64,
        later in proptest::collection::vec(any::<u8>(), 1..3000)
    ) {
        let disk = SimulatedDisk::new();
        let path = Path::new("/d/f");
        let file = durable_file(&disk);
        file.write_all_at(&[IoSlice::new(&[7; 2000])], 0).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[IoSlice::new(&later)], 1000).unwrap();
        disk.crash(seed);
        let content = disk.content(path).unwrap();
        prop_assert!(content.len() >= 2000);
        prop_assert_eq!(&content[..1000], &[7; 1000][..]);
        for (at, byte) in content.iter().enumerate().skip(1000) {
            let old = if at < 2000 { 7 } else { 0 };
            prop_assert!(*byte == old || later.get(at - 1000) == Some(byte), "at {}", at);
        }
        prop_assert!(file.len().is_err(), "an old handle works after a crash");
    }
}

/// Makes `/d/f`, durable, and returns its handle.
fn durable_file(disk: &SimulatedDisk) -> Arc<dyn DiskFile> {
    disk.create_dir_all(Path::new("/d")).unwrap();
    let file = disk.create(Path::new("/d/f")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file
}

#[test]
fn crashes_leave_every_kind_of_state() {
    let (mut whole, mut none, mut torn, mut unnamed) = (0, 0, 0, 0);
    for seed in 0..400 {
        let disk = SimulatedDisk::new();
        let file = durable_file(&disk);
        file.write_all_at(&[IoSlice::new(&[9; 1300])], 100).unwrap();
        disk.create(Path::new("/d/new")).unwrap();
        disk.crash(seed);
        let content = disk.content(Path::new("/d/f")).unwrap();
        match content.iter().map(|byte| usize::from(*byte == 9)).sum() {
            0 => none += 1,
            1300 => whole += 1,
            _ => torn += 1,
        }
        unnamed += usize::from(disk.content(Path::new("/d/new")).is_err());
    }
    assert!(
        whole > 50 && none > 50 && torn > 50,
        "{whole} {none} {torn}"
    );
    assert!((100..300).contains(&unnamed), "{unnamed}");
}

#[test]
fn crash_follows_from_its_seed() {
    let after = |seed| {
        let disk = SimulatedDisk::new();
        let file = durable_file(&disk);
        for at in 0..20 {
            file.write_all_at(&[IoSlice::new(&[at; 700])], u64::from(at) * 650)
                .unwrap();
        }
        disk.crash(seed);
        disk.content(Path::new("/d/f")).unwrap()
    };
    assert_eq!(after(5), after(5));
    assert_ne!(after(5), after(6));
}

#[test]
fn full_disk_takes_a_part_and_recovers() {
    let disk = SimulatedDisk::new();
    let file = durable_file(&disk);
    disk.set_capacity(Some(1000));
    let error = file
        .write_all_at(&[IoSlice::new(&[1; 1500])], 0)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 1000);
    file.write_all_at(&[IoSlice::new(&[2; 1000])], 0).unwrap();
    disk.set_capacity(Some(1500));
    file.write_all_at(&[IoSlice::new(&[3; 500])], 1000).unwrap();
    assert_eq!(file.len().unwrap(), 1500);
}

#[test]
fn bytes_of_a_failed_sync_are_never_written_later() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = SimulatedDisk::new();
        let file = durable_file(&disk);
        file.write_all_at(&[IoSlice::new(&[1; 10])], 0).unwrap();
        disk.fail_sync(0, seed);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        let mut seen = [0; 10];
        file.read_exact_at(&mut seen, 0).unwrap();
        assert_eq!(seen, [1; 10]);
        disk.crash(seed);
        lost += usize::from(disk.content(Path::new("/d/f")).unwrap() != [1; 10]);
    }
    assert!((5..45).contains(&lost), "{lost}");
}

#[test]
fn planned_faults_hit_the_planned_call() {
    let disk = SimulatedDisk::new();
    let file = durable_file(&disk);
    disk.fail_write(1, 3);
    disk.fail_read(1);
    file.write_all_at(&[IoSlice::new(&[1; 10])], 0).unwrap();
    assert!(file.write_all_at(&[IoSlice::new(&[2; 10])], 10).is_err());
    file.write_all_at(&[IoSlice::new(&[2; 10])], 10).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).unwrap();
    assert!(file.read_exact_at(&mut byte, 0).is_err());
    disk.flip_bit(Path::new("/d/f"), 3, 7).unwrap();
    file.read_exact_at(&mut byte, 3).unwrap();
    assert_eq!(byte, [0x81]);
}
