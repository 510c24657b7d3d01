package main

import "math/bits"

// Fine is how many buckets there are for each power of two: what is read is off by 1.6 % at the most.
const fine = 64

// Histogram counts nanoseconds in buckets that grow with them.
type histogram struct {
	counts [64 * fine]int
	total  int
}

func (histogram *histogram) add(nanoseconds int64) {
	histogram.counts[bucket(nanoseconds)]++
	histogram.total++
}

func bucket(nanoseconds int64) int {
	if nanoseconds < fine {
		return int(max(nanoseconds, 0))
	}
	power := bits.Len64(uint64(nanoseconds)) - 7 // fine is 2 to the 6
	return power*fine + int(nanoseconds>>power)
}

func max(one, other int64) int64 {
	if one > other {
		return one
	}
	return other
}

// Milliseconds returns what a share of all that was added is not above.
func (histogram *histogram) milliseconds(share float64) float64 {
	wanted := int(share*float64(histogram.total-1)) + 1
	for number, count := range histogram.counts {
		if wanted -= count; count > 0 && wanted <= 0 {
			return middle(number) / 1e6
		}
	}
	return 0
}

func middle(number int) float64 {
	if number < 2*fine {
		return float64(number)
	}
	power := number/fine - 1
	return (float64(number-power*fine) + 0.5) * float64(int64(1)<<power)
}
