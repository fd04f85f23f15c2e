using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Atoll.Platform;

/// <summary>Makes the identifiers of entities: a kind, an underscore, and 26 characters that sort by time of creation.</summary>
internal static class Ids
{
    // Crockford's base 32 in lower case: no i, l, o, u.
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

    /// <summary>A new identifier such as <c>run_01kaeswb3x8g9v2m4n6p7q8r9s</c>: 48 bits of time, 80 random bits.</summary>
    public static string New(string kind, TimeProvider clock)
    {
        Span<byte> random = stackalloc byte[10];
        RandomNumberGenerator.Fill(random);
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, clock.GetUtcNow().ToUnixTimeMilliseconds() << 16);
        random.CopyTo(bytes[6..]);
        return $"{kind}_{Encode(bytes)}";
    }

    /// <summary>A secret of 160 random bits in the same alphabet.</summary>
    public static string NewSecret()
    {
        Span<byte> bytes = stackalloc byte[20];
        RandomNumberGenerator.Fill(bytes);
        return Encode(bytes);
    }

    private static string Encode(ReadOnlySpan<byte> bytes)
    {
        var characters = new char[(bytes.Length * 8 + 4) / 5];
        int buffer = 0, bits = 0, at = 0;
        foreach (var b in bytes)
        {
            buffer = (buffer << 8) | b;
            bits += 8;
            while (bits >= 5)
            {
                bits -= 5;
                characters[at++] = Alphabet[(buffer >> bits) & 31];
            }
            buffer &= (1 << bits) - 1;
        }
        if (bits > 0) characters[at] = Alphabet[(buffer << (5 - bits)) & 31];
        return new string(characters);
    }
}
