using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Atoll.Prediction;

/// <summary>Small things about JSON that both protocols of predictions share.</summary>
internal static class JsonText
{
    private const int ShownCharsMax = 60;

    /// <summary>Answers are data for programs, not parts of pages: letters of all languages are written as they are.</summary>
    public static JavaScriptEncoder Encoder => JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>Copies a string token, unescaped, as UTF-8. False when it is not valid Unicode.</summary>
    public static bool TryCopyString(ref Utf8JsonReader reader, scoped Span<byte> destination, out int length)
    {
        try
        {
            length = reader.CopyString(destination);
            return true;
        }
        catch (InvalidOperationException)
        {
            // The reader checks escapes and bytes only when the text is asked for.
            length = 0;
            return false;
        }
    }

    /// <summary>The current name or text is this one.</summary>
    public static bool Is(ref Utf8JsonReader reader, ReadOnlySpan<byte> utf8)
    {
        if (!reader.ValueIsEscaped) return reader.ValueTextEquals(utf8);
        try
        {
            return reader.ValueTextEquals(utf8);
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair: no valid text, so not this one.
            return false;
        }
    }

    /// <summary>Bytes of the token as it stands in the source, at least as many as it has unescaped.</summary>
    public static int LengthOf(ref Utf8JsonReader reader) =>
        reader.HasValueSequence ? checked((int)reader.ValueSequence.Length) : reader.ValueSpan.Length;

    /// <summary>Names the kind of a value, for messages.</summary>
    public static string Describe(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => "is an object",
        JsonTokenType.StartArray => "is a list",
        JsonTokenType.Null => "is null",
        JsonTokenType.True => "is true",
        JsonTokenType.False => "is false",
        JsonTokenType.Number => $"is the number {Raw(ref reader)}",
        _ => $"is the text \"{Raw(ref reader)}\"",
    };

    public static string Shorten(string text) => text.Length <= ShownCharsMax ? text : text[..(ShownCharsMax - 3)] + "...";

    public static string Quote(string text, bool asNumber) => asNumber ? Shorten(text) : $"\"{Shorten(text)}\"";

    private static string Raw(ref Utf8JsonReader reader)
    {
        var bytes = reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan;
        // Cut before decoding: a value may be megabytes long.
        return Shorten(Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, ShownCharsMax * 4)]));
    }
}
