// Package loopback runs whole gateways, the instances behind them and their clients
// on loopback sockets, for the tests of engines. Whatever goes wrong fails the test
// at once; what is started ends with it.
package loopback
