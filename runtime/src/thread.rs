//! The standing of threads against one another. Which thread does what is not known here.

/// Lets other threads go first from now on: gives the calling thread this nice value, of 0 (as
/// others) to 19. Where the system has none for a thread, nothing changes.
pub fn let_others_go_first(nice: i32) {
    // On Linux this is the thread's alone. Giving way is refused to nobody, and a thread that may
    // not works all the same.
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(None, nice).ok();
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
            let_others_go_first(15);
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(of_thread.join().unwrap(), 15);
        assert_eq!(nice(), before);
    }
}
