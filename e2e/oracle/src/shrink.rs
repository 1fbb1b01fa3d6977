//! Makes failing questions small: leaves out ever smaller parts as long as the answers still
//! differ. It does not know what the parts mean.

/// Questions asked for one failure; what is small enough by then is shown.
const ASKED_MAX: usize = 4000;

/// Returns the smallest list found, made by leaving out items, for which `differs` still holds.
pub fn items<T: Clone>(mut items: Vec<T>, mut differs: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut asked = 0;
    let mut size = items.len() / 2;
    while size > 0 && asked < ASKED_MAX {
        let mut at = 0;
        let before = items.len();
        while at < items.len() && asked < ASKED_MAX {
            let end = items.len().min(at + size);
            let mut fewer = items.clone();
            fewer.drain(at..end);
            asked += 1;
            if differs(&fewer) {
                items = fewer;
            } else {
                at = end;
            }
        }
        // Once more at the same size while that helps: parts may depend on each other.
        if items.len() == before {
            size /= 2;
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_left() {
        let all: Vec<u32> = (0..100).collect();
        let differs = |items: &[u32]| items.contains(&17) && items.contains(&71);
        assert_eq!(items(all, differs), [17, 71]);
    }

    #[test]
    fn nothing_is_left_out_when_all_matters() {
        assert_eq!(items(vec![1, 2, 3], |items| items.len() == 3), [1, 2, 3]);
    }
}
