//! Files and content hashes of the classifier's weights.

use super::member::Member;
use crate::run::hash_bytes;
use crate::stages::session::Session;

/// Artefacts with the weights of the selected epoch, one per network.
pub fn selected_files(session: &Session) -> Vec<String> {
    Member::all(&session.config).iter().map(Member::best).collect()
}

/// Artefacts with the weights after an epoch, one per network.
pub fn epoch_files(session: &Session, epoch: usize) -> Vec<String> {
    Member::all(&session.config).iter().map(|member| member.epoch(epoch)).collect()
}

/// Computes the content hash of the selected weights.
///
/// # Errors
/// Returns an error if a file can't be read.
pub fn selected_hash(session: &Session) -> anyhow::Result<String> {
    content_hash(session, &selected_files(session))
}

/// Computes the content hash of the weights after an epoch.
///
/// # Errors
/// Returns an error if a file can't be read.
pub fn epoch_hash(session: &Session, epoch: usize) -> anyhow::Result<String> {
    content_hash(session, &epoch_files(session, epoch))
}

/// Computes the content hash of an ensemble's weights.
///
/// # Errors
/// Returns an error if a file can't be read.
pub fn content_hash(session: &Session, weights: &[String]) -> anyhow::Result<String> {
    let hashes: Vec<String> =
        weights.iter().map(|file| session.run.hash(file)).collect::<anyhow::Result<_>>()?;
    Ok(match hashes.as_slice() {
        [single] => single.clone(),
        all => hash_bytes(all.join(" ").as_bytes()),
    })
}
