// Package splice has Linux move bytes from one socket to another without their
// passing through this process: into a pipe, and out of it again. A pipe costs two
// descriptors and what it holds, so that both are bounded; who finds none left
// copies.
package splice
