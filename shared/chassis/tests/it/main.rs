//! A process with one service, through its real interfaces.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod repeated;
#[cfg(test)]
mod served;
#[cfg(test)]
mod tls;
