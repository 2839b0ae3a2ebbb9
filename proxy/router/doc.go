// Package router decides which route a request belongs to.
package router
