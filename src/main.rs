fn main() {
    print!("{}", serde_yaml::to_string(&runready::api::crd::crd().unwrap()).unwrap());
}
