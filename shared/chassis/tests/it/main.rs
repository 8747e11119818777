//! A process with one service, through its real interfaces.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod served;
