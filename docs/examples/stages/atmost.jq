# Leaves out files larger than $bytes: jq -c --argjson bytes 1000000 -f atmost.jq
if .kind == "file" and .size > $bytes and .error == null and .ignored == null then
	.ignored = true | .reason = "large"
else
	.
end
