using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Reads files of words with tags: a word on each line, its tag at the line's end, an empty line after each sentence (CoNLL).</summary>
internal static class TaggedWords
{
    private const int LinesBetweenReports = 1 << 14;
    private const int LineCharsMax = 10_000;
    private const string DocumentMark = "-DOCSTART-";

    public static void Read(FileStream stream, EntityImport import, CancellationToken cancellationToken)
    {
        var encoding = TextEncodingDetector.Detect(stream, cancellationToken);
        if (encoding.Guessed)
        {
            import.Sink.Problems.Warn(new ImportProblem(ImportProblemCodes.EncodingGuessed,
                "The file is not UTF-8; it was read as Windows-1252. Check the letters outside English, or save the file as UTF-8.", import.FileName));
        }

        using var reader = new BoundedLines(stream, encoding.Encoding, LineCharsMax);
        var sentence = new TaggedSentence();
        long line = 0, first = 0;
        bool isBad = false, warnedOfCharacters = false;
        while (reader.Read(out var text))
        {
            if ((++line & (LinesBetweenReports - 1)) == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                import.Report((double)stream.Position / Math.Max(1, stream.Length));
            }

            if (reader.IsTooLong)
            {
                Bad(ImportProblemCodes.RowTooLong, $"The line has more than {LineCharsMax:N0} characters. Write one word with its tag on each line.");
                continue;
            }

            if (text.IsWhiteSpace())
            {
                End();
                continue;
            }

            if (text.StartsWith(DocumentMark) || IsComment(text)) continue;
            if (first == 0) first = line;

            // One problem for a sentence: what follows is likely to be wrong in the same way.
            if (isBad) continue;

            if (text.Contains('\0'))
            {
                Bad(ImportProblemCodes.NulCharacter, "There is a NUL character in the line. The file is damaged or binary; export it again.");
                continue;
            }

            if (!warnedOfCharacters && encoding.HasInvalidBytes && text.Contains('\uFFFD'))
            {
                warnedOfCharacters = true;
                import.Sink.Warn(ImportProblemCodes.UnreadableCharacters,
                    $"Here, and perhaps below, are bytes that are not valid {encoding.Encoding.WebName}; they were replaced by \uFFFD. Save the file in one encoding.", import.At(line));
            }

            if (!TryPart(text, out var word, out var tag))
            {
                Bad(ImportProblemCodes.MissingTag, $"The line has no tag behind the word '{Shown(text.Trim())}'. Write the word, a tab and its tag, O outside of entities.");
                continue;
            }

            if (word.IsWhiteSpace())
            {
                Bad(ImportProblemCodes.MissingText, "The line has a tag and no word. Write the word before the tab, or take the line out.");
                continue;
            }

            if (WordTags.TryRead(tag, out char letter, out var label) is { } wrong)
            {
                Bad(ImportProblemCodes.MalformedTag, wrong);
                continue;
            }

            if (import.CheckLabel(label) is { } tooLong)
            {
                Bad(ImportProblemCodes.LabelTooLong, tooLong);
                continue;
            }

            // What is far beyond the limit need not be kept to be refused.
            if (sentence.Length <= EntityImport.TextLengthMax) sentence.Add(word, letter, label);
        }

        End();

        void Bad(string code, string message)
        {
            isBad = true;
            import.Bad(code, message, line);
        }

        void End()
        {
            bool isOdd = sentence.HasOddOrder;
            var sample = sentence.Take();
            if (!isBad && sample.Text.Length > 0) import.Add(sample, first, isOdd);
            (first, isBad) = (0, false);
        }
    }

    /// <summary>The first value of a line and the last.</summary>
    private static bool TryPart(ReadOnlySpan<char> line, out ReadOnlySpan<char> word, out ReadOnlySpan<char> tag)
    {
        word = tag = default;
        if (line.Contains('\t'))
        {
            line = line.TrimEnd(' ');
            word = line[..line.IndexOf('\t')].Trim(' ');
            tag = line[(line.LastIndexOf('\t') + 1)..].Trim(' ');
            return true;
        }

        line = line.Trim();
        int space = line.IndexOf(' ');
        if (space < 0) return false;

        word = line[..space];
        tag = line[(line.LastIndexOf(' ') + 1)..];
        return true;
    }

    // A sign for a number may be a word; that of a comment is followed by more than a tag.
    private static bool IsComment(ReadOnlySpan<char> line) =>
        line.StartsWith("# ") && !line.Contains('\t') && WordTags.TryRead(line[(line.LastIndexOf(' ') + 1)..], out _, out _) is not null;

    private static string Shown(ReadOnlySpan<char> word) => word.Length <= 40 ? word.ToString() : $"{word[..39]}…";
}

/// <summary>Lines of a text file in memory that is bounded.</summary>
internal sealed class BoundedLines(Stream stream, System.Text.Encoding encoding, int charsMax) : IDisposable
{
    private readonly StreamReader _reader = new(stream, encoding, detectEncodingFromByteOrderMarks: true, 1 << 16, leaveOpen: true);
    private readonly char[] _buffer = new char[1 << 14];
    private char[] _line = new char[256];
    private int _at;
    private int _read;

    /// <summary>The line was longer than allowed and was skipped.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>The next line without its end; valid until the next read.</summary>
    public bool Read(out ReadOnlySpan<char> line)
    {
        IsTooLong = false;
        int length = 0;
        bool any = false;
        while (true)
        {
            if (_at == _read)
            {
                (_at, _read) = (0, _reader.Read(_buffer));
                if (_read == 0) break;
            }

            any = true;
            var rest = _buffer.AsSpan(_at, _read - _at);
            int end = rest.IndexOf('\n');
            var part = end < 0 ? rest : rest[..end];
            if (length + part.Length > charsMax) IsTooLong = true;
            else
            {
                if (_line.Length < length + part.Length) Array.Resize(ref _line, Math.Max(_line.Length * 2, length + part.Length));
                part.CopyTo(_line.AsSpan(length));
                length += part.Length;
            }

            _at += end < 0 ? rest.Length : end + 1;
            if (end >= 0) break;
        }

        line = IsTooLong ? default : _line.AsSpan(0, length).TrimEnd('\r');
        return any;
    }

    public void Dispose() => _reader.Dispose();
}
