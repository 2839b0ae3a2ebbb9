// Package logfield reads which values of a request an access log shows besides the
// usual ones, in the words of limits' keys:
//
//	fields = {
//	  tenant = jwt.tenant
//	  ref    = request.header["X-Ref"]
//	  cache  = response.header["X-Cache"]
//	}
//
// What is not there is an empty text.
package logfield
