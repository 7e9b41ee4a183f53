//! A contract to fill in.

/// Returns a contract in TOML for a network of these numbers of channels and outputs, with a comment on each choice.
pub fn example(channels: usize, outputs: usize) -> String {
    let names = match channels {
        4 => "\"t1\", \"t1ce\", \"t2\", \"flair\"".to_owned(),
        1 => "\"t1\"".to_owned(),
        n => (1..=n).map(|i| format!("\"sequence{i}\"")).collect::<Vec<_>>().join(", "),
    };
    let output = match outputs {
        1 => "{ kind = \"logit\", classes = [\"LGG\", \"HGG\"] }".to_owned(),
        n => {
            let classes: Vec<String> = (0..n).map(|i| format!("\"class{i}\"")).collect();
            format!("{{ kind = \"softmax\", classes = [{}] }}", classes.join(", "))
        }
    };
    format!(
        "channels    = [{names}]  # order of the network's channels\n\
         orientation = \"LPS\"       # nibabel's aff2axcodes of the training scans, or \"stored\"\n\
         axes        = \"zyx\"       # \"xyz\" for tensors from MONAI's LoadImage or nibabel\n\
         spacing_mm  = \"stored\"    # or millimetres such as [1.0, 1.0, 1.0], in the order of axes\n\
         intensity   = {{ kind = \"minmax\" }}  # minmax, percentile, zscore, window or none\n\
         crop        = [128, 128, 128]  # size of the input in voxels, in the order of axes\n\
         output      = {output}  # logit, sigmoid, softmax or value\n"
    )
}
