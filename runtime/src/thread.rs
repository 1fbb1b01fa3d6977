//! The standing of threads against one another. Which thread does what is not known here.

/// Lets other threads go first from now on: adds this to the nice value of the calling thread, of
/// which 19 is the most. Where the system has none for a thread, nothing changes.
pub fn let_others_go_first(nice: i32) {
    // On Linux this is the thread's alone. A thread that may not give way works all the same.
    #[cfg(target_os = "linux")]
    rustix::process::nice(nice).ok();
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn it_concerns_the_calling_thread_alone() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let of_thread = std::thread::spawn(move || {
            let_others_go_first(3);
            let_others_go_first(2);
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(of_thread.join().unwrap(), (before + 5).min(19));
        assert_eq!(nice(), before);
    }
}
