//! Names of Google Cloud's objects: which are of the same one. Pure.

/// Whether two full names, each with the URL of its API before it or without, are of the same object. A project goes by its id in one
/// and by its number in another.
pub fn same(one: &str, other: &str) -> bool {
    match (parted(one), parted(other)) {
        (Some((mine, rest)), Some((theirs, other))) => {
            rest == other && (mine == theirs || numbered(mine) != numbered(theirs))
        }
        (_, _) => one == other,
    }
}

/// The project, and what follows it.
fn parted(name: &str) -> Option<(&str, &str)> {
    let at = name.find("projects/").filter(|at| *at == 0 || name[..*at].contains("//"))?;
    name[at..].strip_prefix("projects/")?.split_once('/')
}

fn numbered(project: &str) -> bool {
    !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_goes_by_its_id_or_its_number() {
        let vpc = "projects/host/global/networks/vpc";
        for (other, alike) in [
            (vpc, true),
            ("https://www.googleapis.com/compute/v1/projects/host/global/networks/vpc", true),
            ("//compute.googleapis.com/projects/123456/global/networks/vpc", true),
            ("projects/123456/global/networks/vpc", true),
            ("projects/123456/global/networks/other", false),
            ("projects/other/global/networks/vpc", false),
            ("vpc", false),
            ("", false),
        ] {
            assert_eq!((same(vpc, other), same(other, vpc)), (alike, alike), "{other}");
        }
        assert!(!same("projects/1/global/networks/vpc", "projects/2/global/networks/vpc"));
        assert!(same("vpc", "vpc"));
    }
}
