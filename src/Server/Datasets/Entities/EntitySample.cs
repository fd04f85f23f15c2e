using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>A text with what is marked in it; a sample is stored as the line of JSON that could be uploaded again.</summary>
internal sealed record EntitySample(string Text, IReadOnlyList<EntitySpan> Entities)
{
    public static EntitySample Read(ReadOnlySpan<byte> payload) => JsonSerializer.Deserialize(payload, EntityJson.Default.EntitySample)!;

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, EntityJson.Default.EntitySample);
}

/// <summary>How samples with entities are stored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EntitySample))]
internal sealed partial class EntityJson : JsonSerializerContext;

/// <summary>Counts a text's characters as Unicode code points, whatever they take in memory.</summary>
internal static class CodePoints
{
    public static int Count(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (var _ in text.EnumerateRunes()) count++;
        return count;
    }

    /// <summary>Where in UTF-16 each code point begins, and where the last one ends.</summary>
    public static int[] Starts(string text)
    {
        var starts = new List<int>(text.Length + 1);
        int at = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            starts.Add(at);
            at += rune.Utf16SequenceLength;
        }

        starts.Add(at);
        return [.. starts];
    }
}
