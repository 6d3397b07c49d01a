//! What the documentation says of the repository is true. Nothing here needs a network; the
//! commands of the pages are run by the tests `network` and `gateway`.

use mica_tests::{
    book::{attacks, links, pages, reference},
    process::command,
};

#[test]
fn every_page_with_commands_is_run_by_a_test() {
    pages::check_that_each_is_run();
}

#[test]
fn what_running_text_and_remedies_name_exists() {
    pages::check_that_what_text_names_exists();
}

#[test]
fn no_link_is_broken() {
    links::check_links();
}

#[test]
fn the_table_of_contents_has_every_page() {
    links::check_contents();
}

#[test]
fn every_page_that_is_cited_exists() {
    links::check_citations();
}

#[test]
fn every_path_that_a_page_names_exists() {
    links::check_paths();
}

#[test]
fn generated_pages_are_what_the_programs_say() {
    reference::check();
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    attacks::check_tests();
}

#[test]
fn every_program_writes_a_manual_page_for_each_of_its_commands() {
    for (program, of_a_command) in [
        ("mica", "mica-wallet-new.1"),
        ("mica-worker", "mica-worker-run.1"),
        ("mica-node", "mica-node-key-generate.1"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let man = |folder: &std::path::Path| {
            command(program).args(["man", "--out"]).arg(folder).output().expect("it starts")
        };
        let output = man(folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for page in [format!("{program}.1"), of_a_command.to_owned()] {
            let text = std::fs::read_to_string(folder.path().join(&page));
            assert!(text.is_ok_and(|text| text.contains(".TH")), "{page}");
        }
        let printed = command(program).arg("man").output().expect("it starts").stdout;
        assert!(String::from_utf8_lossy(&printed).contains(program), "{program} man");

        let refused = man("/proc/none".as_ref());
        assert!(!refused.status.success(), "{program} cannot write there");
        assert!(String::from_utf8_lossy(&refused.stderr).lines().count() < 4, "{program}");
    }
}
