//! The tidy checks of `seabag_testing::tidy`, one test each, on this repository.

use seabag_testing::tidy::Repository;

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_architecture_names_every_crate_and_module() {
    none(Repository::here().architecture());
}

#[test]
fn every_rust_file_opens_with_what_it_is_for() {
    none(Repository::here().openings());
}

#[test]
fn every_script_and_stylesheet_opens_with_what_it_is_for() {
    none(Repository::here().web_openings());
}

#[test]
fn nothing_unfinished_is_left_in_the_code() {
    none(Repository::here().unfinished());
}

#[test]
fn no_text_names_a_place_on_the_machine_where_it_was_written() {
    none(Repository::here().foreign_paths());
}

#[test]
fn the_server_never_reaches_the_code_that_opens_bags() {
    none(Repository::here().blind_server());
}

#[test]
fn the_rules_depend_on_nothing_that_does_input_or_output() {
    none(Repository::here().pure_protocol());
}

#[test]
fn the_two_halves_of_the_protocol_never_import_each_other() {
    none(Repository::here().separate_halves());
}

#[test]
fn the_files_that_everyone_looks_for_exist() {
    none(Repository::here().required_files());
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    none(Repository::here().links());
}

#[test]
fn nothing_lies_about_in_the_first_folder() {
    none(Repository::here().stray_files());
}
