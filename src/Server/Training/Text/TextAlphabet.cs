using System.Globalization;
using System.Text;

namespace Atoll.Training.Text;

/// <summary>Numbers the characters of the training texts, upper and lower case alike, ordered by how they make words.</summary>
/// <remarks>
/// The serving graph looks characters up in this table and nowhere else, so that lower case and character classes are the
/// same on every system: the runtime's own operators for that depend on installed locales and on Unicode versions.
/// </remarks>
internal sealed class TextAlphabet
{
    public const int Padding = 0;
    public const int Space = 1;
    public const int Start = 2;

    /// <summary>Put before every text, to tell its beginning from the beginning of a later word.</summary>
    public const string Prefix = " \u0002 ";

    /// <summary>Put after every text.</summary>
    public const string Suffix = " ";

    /// <summary>Characters of a text that are read, prefix and suffix included; the rest is ignored.</summary>
    public const int MaxLength = 10_000;

    // Four characters must fit in 63 bits as digits to this base.
    private const int MaxCharacters = 30_000;
    private const int StartCodePoint = 2;

    private readonly Dictionary<int, int> _ids = [];

    private TextAlphabet(int unknown) => Unknown = unknown;

    /// <summary>The id of a character that was not seen; it counts as a letter. Ids from here on make words, ids below stand alone.</summary>
    public int Unknown { get; }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; private init; }

    /// <summary>Every code point with its id, in the order of code points.</summary>
    public IEnumerable<KeyValuePair<int, int>> CodePoints => _ids.OrderBy(pair => pair.Key);

    /// <summary>Takes the characters of <paramref name="texts"/>; in a large collection those that occur once are left out.</summary>
    public static TextAlphabet Learn(IReadOnlyList<string> texts)
    {
        var counts = new Dictionary<int, int>();
        foreach (var text in texts)
        {
            var length = 0;
            foreach (var rune in text.EnumerateRunes())
            {
                if (++length > MaxLength) break;
                var folded = Fold(rune).Value;
                counts[folded] = counts.GetValueOrDefault(folded) + 1;
            }
        }
        var least = texts.Count >= 1000 ? 2 : 1;
        var kept = counts.Where(pair => pair.Value >= least && ClassOf(new Rune(pair.Key)) != CharacterClass.Space)
            .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key)
            .Take(MaxCharacters)
            .Select(pair => new Rune(pair.Key))
            .OrderBy(rune => rune.Value)
            .ToList();
        var alone = kept.Where(rune => ClassOf(rune) == CharacterClass.Alone).ToList();
        var letters = kept.Where(rune => ClassOf(rune) == CharacterClass.Word).ToList();

        var unknown = Start + 1 + alone.Count;
        var alphabet = new TextAlphabet(unknown) { Size = unknown + 1 + letters.Count };
        for (var i = 0; i < alone.Count; i++) alphabet._ids[alone[i].Value] = Start + 1 + i;
        for (var i = 0; i < letters.Count; i++) alphabet._ids[letters[i].Value] = unknown + 1 + i;

        // Every other form that folds to a known character, and every blank, seen or not.
        for (var value = 0; value <= 0x1FFFF; value++)
        {
            if (!Rune.IsValid(value) || alphabet._ids.ContainsKey(value)) continue;
            var rune = new Rune(value);
            if (ClassOf(rune) == CharacterClass.Space) alphabet._ids[value] = Space;
            else if (alphabet._ids.TryGetValue(Fold(rune).Value, out var id)) alphabet._ids[value] = id;
        }
        alphabet._ids[StartCodePoint] = Start;
        return alphabet;
    }

    /// <summary>The ids of a text's characters between prefix and suffix, cut at <see cref="MaxLength"/>.</summary>
    public int[] Encode(string text)
    {
        var ids = new List<int>(Math.Min(text.Length + 4, MaxLength)) { Space, Start, Space };
        foreach (var rune in text.EnumerateRunes())
        {
            if (ids.Count == MaxLength) return [.. ids];
            ids.Add(_ids.GetValueOrDefault(rune.Value, Unknown));
        }
        if (ids.Count < MaxLength) ids.Add(Space);
        return [.. ids];
    }

    // A typographic apostrophe is the same as the plain one: people write both in the same words.
    private static Rune Fold(Rune rune) => rune.Value == 0x2019 ? new Rune('\'') : Rune.ToLowerInvariant(rune);

    private static CharacterClass ClassOf(Rune rune)
    {
        if (rune.Value == StartCodePoint) return CharacterClass.Space;
        if (rune.Value is '\'' or 0x2019 or '_') return CharacterClass.Word;
        switch (Rune.GetUnicodeCategory(rune))
        {
            case UnicodeCategory.Control:
            case UnicodeCategory.SpaceSeparator:
            case UnicodeCategory.LineSeparator:
            case UnicodeCategory.ParagraphSeparator:
                return CharacterClass.Space;
            case UnicodeCategory.UppercaseLetter:
            case UnicodeCategory.LowercaseLetter:
            case UnicodeCategory.TitlecaseLetter:
            case UnicodeCategory.ModifierLetter:
            case UnicodeCategory.NonSpacingMark:
            case UnicodeCategory.SpacingCombiningMark:
            case UnicodeCategory.EnclosingMark:
            case UnicodeCategory.DecimalDigitNumber:
            case UnicodeCategory.LetterNumber:
            case UnicodeCategory.OtherNumber:
                return CharacterClass.Word;
            case UnicodeCategory.OtherLetter:
                return IsWrittenWithoutSpaces(rune.Value) ? CharacterClass.Alone : CharacterClass.Word;
            default:
                return CharacterClass.Alone;
        }
    }

    /// <summary>Thai, Lao, Myanmar, Khmer; kana, bopomofo and ideographs: one character is a token, and n-grams make the words.</summary>
    public static bool IsWrittenWithoutSpaces(int value) =>
        value is >= 0x0E00 and <= 0x0EFF or >= 0x1000 and <= 0x109F or >= 0x1780 and <= 0x17FF
            or >= 0x3040 and <= 0x312F or >= 0x31A0 and <= 0x9FFF or >= 0xF900 and <= 0xFAFF or >= 0xFF66 and <= 0xFF9F
            or >= 0x20000 and <= 0x3FFFF;

    private enum CharacterClass
    {
        Space,
        Alone,
        Word,
    }
}
