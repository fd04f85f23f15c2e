using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Http;

namespace Atoll.Prediction;

/// <summary>Reads the JSON form of a request, from the bytes as they arrived into a batch, without an object for any value.</summary>
/// <remarks>A <see cref="PredictRequest"/> says the same in types.</remarks>
internal sealed class JsonSampleReader(SamplePlan plan, PredictionOptions options, bool ignoreUnknown, SampleBatch samples)
{
    private const int NameBytesOnStackMax = 256;
    private const int NumberCharsMax = 64;

    // Rows of a request mostly name their columns in the same order, so that the name is compared and not looked up.
    private readonly int[] _order = ArrayPool<int>.Shared.Rent(Math.Max(plan.Columns.Count, 1));

    private bool _found;

    /// <summary>How many labels the request asks for; null when it does not say.</summary>
    public int? Top { get; private set; }

    /// <summary>How many factors the request asks for; null when it does not ask.</summary>
    public int? Explain { get; private set; }

    /// <summary>Fills the batch; null when that went well.</summary>
    public Problem? Read(ReadOnlySequence<byte> body)
    {
        for (var i = 0; i < plan.Columns.Count; i++) _order[i] = i;
        try
        {
            if (body.IsEmpty) return PredictionProblems.NoList(plan);
            var reader = new Utf8JsonReader(WithoutMark(body));
            reader.Read();
            if (ReadBody(ref reader) is { } problem) return problem;

            // Throws when something follows.
            reader.Read();
        }
        catch (JsonException failure)
        {
            return PredictionProblems.NotJson(plan, failure);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(_order);
        }
        if (!_found) return PredictionProblems.NoList(plan);
        return samples.Count == 0 ? PredictionProblems.Empty(plan, plan.ListName) : null;
    }

    private Problem? ReadBody(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return PredictionProblems.InvalidBody(
                plan, $"The request body {JsonText.Describe(ref reader)}; it should be an object.", $"Send {plan.ExampleBody().ToJsonString()}.");
        }
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            Problem? problem;
            if (JsonText.Is(ref reader, "rows"u8)) problem = ReadList(ref reader, "rows");
            else if (JsonText.Is(ref reader, "texts"u8)) problem = ReadList(ref reader, "texts");
            else if (JsonText.Is(ref reader, "images"u8)) problem = ReadList(ref reader, "images");
            else if (JsonText.Is(ref reader, "sounds"u8)) problem = ReadList(ref reader, "sounds");
            else if (JsonText.Is(ref reader, "top"u8)) problem = ReadTop(ref reader);
            else if (JsonText.Is(ref reader, "explain"u8)) problem = ReadExplain(ref reader);
            else return PredictionProblems.UnknownMember(plan, NameOf(ref reader));
            if (problem is not null) return problem;
        }
        return null;
    }

    private Problem? ReadTop(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return null;
        if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var top) || top < 1)
            return PredictionProblems.Invalid(plan, "top", JsonText.Describe(ref reader), "Expected a whole number of at least 1, such as 3.");
        Top = top;
        return null;
    }

    private Problem? ReadExplain(ref Utf8JsonReader reader)
    {
        reader.Read();
        switch (reader.TokenType)
        {
            case JsonTokenType.Null or JsonTokenType.False:
                return null;
            case JsonTokenType.True:
                Explain = FactorSearch.DefaultCount;
                return null;
            case JsonTokenType.Number when reader.TryGetInt32(out var count) && count >= 1:
                Explain = count;
                return null;
            default:
                return PredictionProblems.Invalid(plan, "explain", JsonText.Describe(ref reader), "Expected true, or how many columns to name, such as 5.");
        }
    }

    private Problem? ReadList(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return null;
        if (name != plan.ListName) return PredictionProblems.WrongList(plan, name);
        if (_found) return PredictionProblems.Invalid(plan, name, "is there twice", "Send one list.");
        if (reader.TokenType != JsonTokenType.StartArray)
            return PredictionProblems.Invalid(plan, name, JsonText.Describe(ref reader), $"Expected a list, as in {plan.ExampleBody().ToJsonString()}.");

        _found = true;
        samples.Begin(plan.Columns.Count, name);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (SampleLimits.Check(plan, options, samples) is { } tooMany) return tooMany;
            samples.Add();
            var problem = name switch
            {
                "rows" => ReadRow(ref reader),
                "texts" => ReadText(ref reader),
                _ => ReadFile(ref reader),
            };
            if (problem is not null) return problem;
        }
        return null;
    }

    private Problem? ReadRow(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return PredictionProblems.Invalid(
                plan, Path, JsonText.Describe(ref reader), $"Expected an object with values by column, as in {plan.ExampleBody().ToJsonString()}.");
        }
        var given = 0;
        for (var position = 0; reader.Read() && reader.TokenType != JsonTokenType.EndObject; position++)
        {
            var column = Find(ref reader, position);
            if (column < 0)
            {
                if (column == Refused) return PredictionProblems.UnknownColumn(plan, $"{Path}.{NameOf(ref reader)}", NameOf(ref reader));
                reader.Read();
                reader.Skip();
                continue;
            }
            if (samples.IsSet(column)) return PredictionProblems.ColumnTwice(plan, PathOf(column));
            reader.Read();
            if (ReadValue(ref reader, column, ref given) is { } problem) return problem;
        }
        return given == 0 ? PredictionProblems.NothingKnown(plan, Path) : null;
    }

    private const int Skipped = -1;
    private const int Refused = -2;

    private int Find(ref Utf8JsonReader reader, int position)
    {
        if (position < plan.Columns.Count && JsonText.Is(ref reader, plan.Columns[_order[position]].Utf8Name)) return _order[position];

        var length = JsonText.LengthOf(ref reader);
        if (length > NameBytesOnStackMax) return FindLong(ref reader);
        Span<byte> utf8 = stackalloc byte[NameBytesOnStackMax];
        Span<char> name = stackalloc char[NameBytesOnStackMax];
        if (!JsonText.TryCopyString(ref reader, utf8, out length)) return Refused;
        name = name[..Encoding.UTF8.GetChars(utf8[..length], name)];
        var column = plan.IndexOf(name);
        if (column >= 0)
        {
            if (position < plan.Columns.Count) _order[position] = column;
            return column;
        }
        if (plan.IsLeak(name)) samples.AddLeak(name);
        return ignoreUnknown || plan.IsUnread(name) ? Skipped : Refused;
    }

    private int FindLong(ref Utf8JsonReader reader)
    {
        var name = NameOf(ref reader, shorten: false);
        var column = plan.IndexOf(name);
        return column >= 0 ? column : ignoreUnknown || plan.IsUnread(name) ? Skipped : Refused;
    }

    private Problem? ReadValue(ref Utf8JsonReader reader, int index, ref int given)
    {
        var column = plan.Columns[index];
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                samples.SetMissing(index);
                return null;

            // A marker such as -999 stands in files of JSON without quotes.
            case JsonTokenType.Number when plan.MissingMarkers.HasNumbers && plan.MissingMarkers.Contains(RawOf(ref reader)):
                samples.SetMissing(index);
                return null;

            case JsonTokenType.Number when column.IsNumber:
                if (!JsonNumbers.TryRead(ref reader, out float number))
                    return PredictionProblems.WrongValue(plan, PathOf(index), $"{JsonText.Describe(ref reader)}, which is too large", column);
                samples.SetNumber(index, number);
                given++;
                return null;

            case JsonTokenType.Number:
                // The number as it was written: codes and categories are often sent so.
                samples.SetText(index, RawOf(ref reader));
                given++;
                return null;

            case JsonTokenType.String:
                return column.IsNumber ? ReadNumberInText(ref reader, index, ref given) : ReadTextInRow(ref reader, index, ref given);

            case JsonTokenType.True or JsonTokenType.False when column.TakesBooleans:
                var value = reader.TokenType == JsonTokenType.True;
                if (column.IsNumber) samples.SetNumber(index, value ? 1 : 0);
                else samples.SetText(index, column.BooleanWord(value));
                given++;
                return null;

            default:
                return PredictionProblems.WrongValue(plan, PathOf(index), JsonText.Describe(ref reader), column);
        }
    }

    private Problem? ReadNumberInText(ref Utf8JsonReader reader, int index, ref int given)
    {
        Span<byte> utf8 = stackalloc byte[NumberCharsMax * 6];
        Span<char> text = stackalloc char[NumberCharsMax * 6];
        if (JsonText.LengthOf(ref reader) > utf8.Length || !JsonText.TryCopyString(ref reader, utf8, out var length))
            return PredictionProblems.WrongValue(plan, PathOf(index), JsonText.Describe(ref reader), plan.Columns[index]);
        text = text[..Encoding.UTF8.GetChars(utf8[..length], text)];
        if (!CellText.TrySetNumber(samples, index, text, plan.Columns[index], plan.MissingMarkers, ref given))
            return PredictionProblems.WrongValue(plan, PathOf(index), JsonText.Describe(ref reader), plan.Columns[index]);
        return null;
    }

    private Problem? ReadTextInRow(ref Utf8JsonReader reader, int index, ref int given)
    {
        var target = samples.Reserve(JsonText.LengthOf(ref reader)).Span;
        if (!JsonText.TryCopyString(ref reader, target, out var length)) return NotUnicode(PathOf(index));
        if (plan.MissingMarkers.Contains(target[..length]))
        {
            samples.SetMissing(index);
            return null;
        }
        samples.SetBytes(index, length);
        given++;
        return null;
    }

    private Problem? ReadText(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
            return PredictionProblems.Invalid(plan, Path, JsonText.Describe(ref reader), "Expected a text in quotes.");
        var target = samples.Reserve(JsonText.LengthOf(ref reader)).Span;
        if (!JsonText.TryCopyString(ref reader, target, out var length)) return NotUnicode(Path);
        samples.SetBytes(0, length);
        return null;
    }

    private Problem? ReadFile(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
            return PredictionProblems.Invalid(plan, Path, JsonText.Describe(ref reader), $"Expected the base64 of a {plan.FileKind}.");
        var target = samples.Reserve(JsonText.LengthOf(ref reader)).Span;
        if (!JsonText.TryCopyString(ref reader, target, out var length)) return NotUnicode(Path);

        // What browsers make of a file: data:image/png;base64,....
        var start = target[..length].StartsWith("data:"u8) ? target[..length].IndexOf((byte)',') + 1 : 0;
        var status = Base64.DecodeFromUtf8InPlace(target[start..length], out var bytes);
        if (status != OperationStatus.Done)
            return PredictionProblems.Invalid(plan, Path, "is not base64", $"Encode the bytes of a {plan.FileKind}, such as with: base64 -w0 {plan.FileExample}.");
        if (bytes == 0) return PredictionProblems.Invalid(plan, Path, "is empty", $"Expected the base64 of a {plan.FileKind}.");
        target.Slice(start, bytes).CopyTo(target);
        samples.SetBytes(0, bytes);
        return null;
    }

    private Problem NotUnicode(string field) =>
        PredictionProblems.Invalid(plan, field, "is not valid Unicode text", "Send UTF-8, and escapes of surrogates in pairs.");

    private string Path => samples.PathOf(samples.Count - 1);

    private string PathOf(int column) => $"{Path}.{plan.Columns[column].Name}";

    private static ReadOnlySpan<byte> RawOf(ref Utf8JsonReader reader) => reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan;

    private static string NameOf(ref Utf8JsonReader reader, bool shorten = true)
    {
        Span<byte> utf8 = new byte[JsonText.LengthOf(ref reader)];
        var name = JsonText.TryCopyString(ref reader, utf8, out var length) ? Encoding.UTF8.GetString(utf8[..length]) : "\uFFFD";
        return shorten ? JsonText.Shorten(name) : name;
    }

    // A byte order mark is no JSON, but some programs write one.
    private static ReadOnlySequence<byte> WithoutMark(ReadOnlySequence<byte> body)
    {
        Span<byte> head = stackalloc byte[3];
        if (body.Length < 3) return body;
        body.Slice(0, 3).CopyTo(head);
        return head.SequenceEqual(Encoding.UTF8.Preamble) ? body.Slice(3) : body;
    }
}

/// <summary>How many samples a request may have.</summary>
internal static class SampleLimits
{
    /// <summary>The problem with adding one more sample, or null.</summary>
    public static Problem? Check(SamplePlan plan, PredictionOptions options, SampleBatch samples)
    {
        if (plan.TakesFiles)
        {
            var (most, setting) = plan.ListName == "images" ? (options.ImagesMax, "Prediction:ImagesMax") : (options.SoundsMax, "Prediction:SoundsMax");
            return samples.Count >= most ? PredictionProblems.TooMany(plan, samples.ListName, most, setting) : null;
        }
        if (samples.Count >= options.SamplesMax)
            return PredictionProblems.TooMany(plan, samples.ListName, options.SamplesMax, "Prediction:SamplesMax");
        return (samples.Count + 1L) * plan.Columns.Count > options.ValuesMax ? PredictionProblems.TooManyValues(plan, options.ValuesMax) : null;
    }
}

/// <summary>Reads values that stand in text, the same way as when the model was trained.</summary>
internal static class CellText
{
    /// <summary>Sets a number that was written as text, with its currency, percent sign or separators of thousands.</summary>
    public static bool TrySetNumber(SampleBatch samples, int index, ReadOnlySpan<char> text, SampleColumn column, MissingMarkers missing, ref int given)
    {
        text = text.Trim();
        if (missing.Contains(text))
        {
            samples.SetMissing(index);
            return true;
        }
        if (column.Type == ColumnTypes.Boolean && TryBoolean(text, out var flag))
        {
            samples.SetNumber(index, flag);
            given++;
            return true;
        }
        if (!CellValues.TryNumeric(text, column.HasDecimalComma, out var number)) return false;
        var value = (float)number;
        if (!float.IsFinite(value)) return false;
        samples.SetNumber(index, value);
        given++;
        return true;
    }

    private static bool TryBoolean(ReadOnlySpan<char> text, out float flag)
    {
        flag = 0;
        if (CellValues.BooleanPair(text) < 0) return false;
        // The first letters of true, yes, y, t and 1 are those of no other word of the pairs; on and off share theirs.
        flag = text[0] is 't' or 'T' or 'y' or 'Y' or '1' || text.Equals("on", StringComparison.OrdinalIgnoreCase) ? 1 : 0;
        return true;
    }
}
