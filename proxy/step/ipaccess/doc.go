// Package ipaccess lets requests pass by the address of their client, which is the
// one behind trusted proxies. Of all networks that hold an address the longest
// prefix has the word; where there is an allow list, whoever is on no list is
// denied. It is the first step: nobody costs more who may not come at all.
//
//	ip_access { … } ─▶ Decode ─▶ Spec ─▶ New ─▶ Step
//	                     │ allow_file, deny_file
//	                     ▼
//	                   Set: sorted edges, one binary search a request
package ipaccess
