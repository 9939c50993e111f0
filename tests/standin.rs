//! The stand-in for Google's APIs: that its answers are such as Google's discovery documents describe, that Google's own crates
//! and `gcloud` are satisfied with them, its faults, its pages and its counts.

mod answers;
mod crates;
mod faults;
mod gcloud;
mod web;
