using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Reads JSON lines: <c>{"text", "entities": [{"start", "end", "label"}]}</c>, or <c>{"tokens", "tags"}</c>. Places are code points.</summary>
internal static class EntityLines
{
    private const int LinesBetweenReports = 1 << 12;

    public static void Read(FileStream stream, EntityImport import, CancellationToken cancellationToken)
    {
        int bytesMax = import.Sink.Settings.Limits.JsonLineBytesMax;
        var lines = new LineReader(stream, bytesMax);
        while (lines.Read(out var line))
        {
            if ((lines.Line & (LinesBetweenReports - 1)) == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                import.Report((double)stream.Position / Math.Max(1, stream.Length));
            }

            if (lines.IsTooLong)
            {
                import.Bad(ImportProblemCodes.RowTooLong, $"The line has more than {bytesMax:N0} bytes. Shorten it.", lines.Line);
                continue;
            }

            if (line.Trim(" \t"u8).IsEmpty) continue;

            try
            {
                var json = new Utf8JsonReader(line);
                using var document = JsonDocument.ParseValue(ref json);
                if (!line[(int)json.BytesConsumed..].Trim(" \t"u8).IsEmpty)
                    throw new BadSampleException(ImportProblemCodes.InvalidJson, "Something follows the object. Write one object per line, without commas between them.");
                var (sample, isOdd) = ToSample(document.RootElement, import);
                import.Add(sample, lines.Line, isOdd);
            }
            catch (JsonException exception)
            {
                import.Bad(ImportProblemCodes.InvalidJson, $"The line is not valid JSON (byte {exception.BytePositionInLine}). Write one object per line and escape quotes inside of texts.", lines.Line);
            }
            catch (InvalidOperationException)
            {
                // The reader says so for text that is not UTF-8 or escapes half a character.
                import.Bad(ImportProblemCodes.UnreadableCharacters, "The line holds text that is not valid UTF-8. Save the file as UTF-8.", lines.Line);
            }
            catch (BadSampleException bad)
            {
                import.Bad(bad.Code, bad.Message, lines.Line, bad.Member);
            }
        }
    }

    private static (EntitySample Sample, bool IsOdd) ToSample(JsonElement line, EntityImport import)
    {
        if (line.ValueKind != JsonValueKind.Object) throw new BadSampleException(ImportProblemCodes.LineNotObject, "The line is not a JSON object. Write one object per line.");
        if (line.TryGetProperty("tokens", out var tokens)) return FromTokens(tokens, line, import);

        if (!line.TryGetProperty("text", out var text))
            throw new BadSampleException(ImportProblemCodes.MissingText, "The object has neither 'text' nor 'tokens'. Write {\"text\", \"entities\"} or {\"tokens\", \"tags\"}.");
        if (text.ValueKind != JsonValueKind.String) throw new BadSampleException(ImportProblemCodes.NestedValue, "The text is no string. Write it in quotes.", "text");
        if (!line.TryGetProperty("entities", out var entities))
            throw new BadSampleException(ImportProblemCodes.MissingTag, "The object has no 'entities'. Write an empty list for a text without any.", "text");

        return (FromSpans(text.GetString()!, entities, import), false);
    }

    private static (EntitySample Sample, bool IsOdd) FromTokens(JsonElement tokens, JsonElement line, EntityImport import)
    {
        if (!line.TryGetProperty("tags", out var tags)) throw new BadSampleException(ImportProblemCodes.MissingTag, "The object has tokens and no 'tags'. Give a tag for each token.", "tokens");
        if (tokens.ValueKind != JsonValueKind.Array) throw new BadSampleException(ImportProblemCodes.NestedValue, "The tokens are no list. Write a list of strings.", "tokens");
        if (tags.ValueKind != JsonValueKind.Array) throw new BadSampleException(ImportProblemCodes.NestedValue, "The tags are no list. Write a list of strings, one for each token.", "tags");
        if (tokens.GetArrayLength() != tags.GetArrayLength())
        {
            throw new BadSampleException(ImportProblemCodes.TagCount,
                $"There are {tokens.GetArrayLength():N0} tokens and {tags.GetArrayLength():N0} tags. Give one tag for each token.", "tags");
        }

        var sentence = new TaggedSentence();
        using var tag = tags.EnumerateArray();
        foreach (var token in tokens.EnumerateArray())
        {
            tag.MoveNext();
            if (token.ValueKind != JsonValueKind.String) throw new BadSampleException(ImportProblemCodes.NestedValue, "A token is no string. Write each in quotes.", "tokens");
            if (tag.Current.ValueKind == JsonValueKind.Number)
                throw new BadSampleException(ImportProblemCodes.MalformedTag, $"The tag {tag.Current} is a number. Write its name, such as B-PERSON.", "tags");
            if (tag.Current.ValueKind != JsonValueKind.String) throw new BadSampleException(ImportProblemCodes.MalformedTag, "A tag is no string. Write it in quotes, such as \"B-PERSON\" or \"O\".", "tags");

            var word = token.GetString().AsSpan().Trim();
            if (word.IsEmpty) throw new BadSampleException(ImportProblemCodes.MissingText, "A token is empty. Take it and its tag out.", "tokens");
            if (WordTags.TryRead(tag.Current.GetString(), out char letter, out var label) is { } wrong) throw new BadSampleException(ImportProblemCodes.MalformedTag, wrong, "tags");
            if (import.CheckLabel(label) is { } tooLong) throw new BadSampleException(ImportProblemCodes.LabelTooLong, tooLong, "tags");

            sentence.Add(word, letter, label);
        }

        bool isOdd = sentence.HasOddOrder;
        return (sentence.Take(), isOdd);
    }

    private static EntitySample FromSpans(string text, JsonElement entities, EntityImport import)
    {
        if (entities.ValueKind != JsonValueKind.Array) throw new BadSampleException(ImportProblemCodes.MalformedSpan, "The entities are no list. Write a list of {\"start\", \"end\", \"label\"}.", "entities");

        var starts = CodePoints.Starts(text);
        var spans = new List<EntitySpan>();
        foreach (var entity in entities.EnumerateArray()) spans.Add(ToSpan(text, starts, entity, import));

        spans.Sort(static (left, right) => (left.Start, left.End).CompareTo((right.Start, right.End)));
        for (int i = 1; i < spans.Count; i++)
        {
            if (spans[i].Start >= spans[i - 1].End) continue;

            throw new BadSampleException(ImportProblemCodes.SpanOverlap,
                $"The entities at {spans[i - 1].Start} to {spans[i - 1].End} and at {spans[i].Start} to {spans[i].End} overlap. Keep one of them.", "entities");
        }

        return new EntitySample(text, spans);
    }

    private static EntitySpan ToSpan(string text, int[] starts, JsonElement entity, EntityImport import)
    {
        const string Shape = "Write {\"start\": 0, \"end\": 4, \"label\": \"PERSON\"}.";
        JsonElement from, to, name;
        string? said = null;
        if (entity.ValueKind == JsonValueKind.Array)
        {
            if (entity.GetArrayLength() != 3) throw Malformed("An entity is a list that is not start, end, label.");
            (from, to, name) = (entity[0], entity[1], entity[2]);
        }
        else if (entity.ValueKind != JsonValueKind.Object)
        {
            throw Malformed("An entity is neither an object nor a list.");
        }
        else
        {
            if (!entity.TryGetProperty("start", out from)) throw Malformed("An entity has no 'start'.");
            if (!entity.TryGetProperty("end", out to)) throw Malformed("An entity has no 'end'.");
            if (!entity.TryGetProperty("label", out name)) throw Malformed("An entity has no 'label'.");
            if (entity.TryGetProperty("text", out var given) && given.ValueKind == JsonValueKind.String) said = given.GetString();
        }

        if (from.ValueKind != JsonValueKind.Number || !from.TryGetInt32(out int start)) throw Malformed($"The start of an entity is {Shown(from)} and no whole number.");
        if (to.ValueKind != JsonValueKind.Number || !to.TryGetInt32(out int end)) throw Malformed($"The end of an entity is {Shown(to)} and no whole number.");
        if (name.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(name.GetString())) throw Malformed("The label of an entity is no text.");

        var label = name.GetString()!.Trim();
        if (import.CheckLabel(label) is { } tooLong) throw new BadSampleException(ImportProblemCodes.LabelTooLong, tooLong, "entities");

        int length = starts.Length - 1;
        if (start < 0 || end > length)
        {
            throw new BadSampleException(ImportProblemCodes.SpanOutside,
                $"The entity at {start} to {end} is outside of the text, which has {length:N0} characters. Count Unicode code points, as Python does, not bytes.", "entities");
        }

        if (start >= end) throw new BadSampleException(ImportProblemCodes.MalformedSpan, $"The entity at {start} to {end} holds nothing. Its end is the first character behind it.", "entities");

        var part = text.AsSpan(starts[start]..starts[end]);
        if (said is not null && !part.SequenceEqual(said))
        {
            throw new BadSampleException(ImportProblemCodes.SpanText,
                $"The entity at {start} to {end} says '{Cut(said)}', the text has '{Cut(part)}' there. Count Unicode code points from 0, as Python does; the end is the first character behind.", "entities");
        }

        if (char.IsWhiteSpace(part[0]) || char.IsWhiteSpace(part[^1]))
        {
            throw new BadSampleException(ImportProblemCodes.MalformedSpan,
                $"The entity at {start} to {end} ('{Cut(part)}') begins or ends with a blank. Leave blanks outside; perhaps all places are shifted.", "entities");
        }

        return new EntitySpan(start, end, label);

        static BadSampleException Malformed(string what) => new(ImportProblemCodes.MalformedSpan, $"{what} {Shape}", "entities");
        static string Shown(JsonElement value) => Cut(value.GetRawText());
        static string Cut(ReadOnlySpan<char> part) => part.Length <= 40 ? part.ToString() : $"{part[..39]}…";
    }

    /// <summary>What is wrong with one line.</summary>
    private sealed class BadSampleException(string code, string message, string? member = null) : Exception(message)
    {
        public string Code => code;

        public string? Member => member;
    }
}
