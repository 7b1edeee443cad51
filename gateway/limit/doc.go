// Package limit answers one question: may this much be spent now. A Bucket
// holds a rate with a burst, a State the two buckets of one key, a Quota the
// compute units of one organisation in a calendar month, and a Registry owns
// them for as long as forgetting them would give something away.
//
// It is not its job to know keys, plans or prices, to read a clock, or to answer
// the client: the caller passes rates, costs and the time, and makes headers of
// the Decision. What is counted here is counted for this process alone.
package limit
