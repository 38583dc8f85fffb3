# Doxygen reads /// and ///< only; lull's headers have plain comments. The first comment of a file describes the file; a
# comment on lines of its own describes what follows; one behind code describes that code.
BEGIN { in_head = 1 }
function marked(text) {
    if (text ~ /^     /) return text    # an example: shown as it is
    gsub(/\\/, "\\\\", text)    # no commands in our comments
    gsub(/@/, "\\@", text)
    gsub(/</, "\\<", text)
    gsub(/>/, "\\>", text)
    gsub(/#/, "\\#", text)
    gsub(/\*/, "\\*", text)
    gsub(/_/, "\\_", text)
    return text
}
in_head && /^\/\// {
    if (NR == 1) print "/// \\file"
    print "///" marked(substr($0, 3))
    next
}
{ in_head = 0 }
/^ *\/\/( |$)/ {
    position = index($0, "//")
    print substr($0, 1, position - 1) "///" marked(substr($0, position + 2))
    next
}
/\/\/ namespace/ { print; next }
/[;,{})] +\/\/ / && !/"[^"]*\/\// {
    position = index($0, "// ")
    print substr($0, 1, position - 1) "///<" marked(substr($0, position + 2))
    next
}
{ print }
