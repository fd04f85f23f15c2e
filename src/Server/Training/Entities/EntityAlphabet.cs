using System.Globalization;
using System.Text;
using Atoll.Datasets;

namespace Atoll.Training.Entities;

/// <summary>How a character makes words.</summary>
internal enum CharacterClass
{
    Padding = 0,
    Space = 1,

    /// <summary>A word of its own: signs, and letters of scripts without spaces.</summary>
    Alone = 2,

    /// <summary>A letter that is not a capital.</summary>
    Lower = 3,
    Upper = 4,
    Digit = 5,
}

/// <summary>Numbers the characters of the training texts; capitals differ from small letters, and each knows its small form.</summary>
/// <remarks>The serving graph looks characters up in this table and nowhere else, so that they mean the same on every system.</remarks>
internal sealed class EntityAlphabet
{
    public const int Padding = 0;
    public const int Space = 1;
    public const int Start = 2;

    /// <summary>Put before every text: one word stands before all others.</summary>
    public const string Prefix = " \u0002 ";

    /// <summary>Characters of <see cref="Prefix"/>.</summary>
    public const int PrefixLength = 3;

    /// <summary>Put after every text.</summary>
    public const string Suffix = " ";

    /// <summary>Characters of a text that are read, prefix and suffix included; the rest is ignored.</summary>
    public const int MaxLength = 10_000;

    private const int StartCodePoint = 2;
    private const int UnknownAlone = 3;
    private const int UnknownLower = 4;
    private const int UnknownUpper = 5;
    private const int UnknownDigit = 6;
    private const int FirstKnown = 7;

    // Four characters must fit in 59 bits as digits to this base.
    private const int CharactersMost = 27_000;

    // The scripts with capitals, and signs of all sorts; characters above are letters unless the training texts have them.
    private const int ClassifiedBelow = 0x3100;

    private readonly Dictionary<int, int> _ids = [];
    private readonly List<long> _classes = [(long)CharacterClass.Padding, (long)CharacterClass.Space, (long)CharacterClass.Alone, (long)CharacterClass.Alone, (long)CharacterClass.Lower, (long)CharacterClass.Upper, (long)CharacterClass.Digit];
    private readonly List<long> _folded = [Padding, Space, Start, UnknownAlone, UnknownLower, UnknownLower, UnknownDigit];

    /// <summary>The id of a character that is not in <see cref="CodePoints"/>.</summary>
    public static int Unknown => UnknownLower;

    /// <summary>One more than the largest id.</summary>
    public int Size => _classes.Count;

    /// <summary>By id.</summary>
    public IReadOnlyList<long> Classes => _classes;

    /// <summary>By id the id of the small form.</summary>
    public IReadOnlyList<long> Folded => _folded;

    /// <summary>Every code point with its id, in the order of code points.</summary>
    public IEnumerable<KeyValuePair<int, int>> CodePoints => _ids.OrderBy(pair => pair.Key);

    public static EntityAlphabet Learn(IReadOnlyList<EntitySample> samples)
    {
        var counts = new Dictionary<int, int>();
        foreach (var sample in samples)
        {
            foreach (var rune in sample.Text.EnumerateRunes())
            {
                counts[rune.Value] = counts.GetValueOrDefault(rune.Value) + 1;
                var lower = Rune.ToLowerInvariant(rune).Value;
                if (lower != rune.Value) counts.TryAdd(lower, 1);
            }
        }

        var alphabet = new EntityAlphabet();
        var known = counts.Where(pair => pair.Key != StartCodePoint && ClassOf(new Rune(pair.Key)) != CharacterClass.Space)
            .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Take(CharactersMost).Select(pair => pair.Key).Order().ToList();
        foreach (var value in known)
        {
            alphabet._ids[value] = FirstKnown + alphabet._ids.Count;
            alphabet._classes.Add((long)ClassOf(new Rune(value)));
        }
        foreach (var value in known)
        {
            var lower = Rune.ToLowerInvariant(new Rune(value)).Value;
            alphabet._folded.Add(lower == value ? alphabet._ids[value] : alphabet._ids.GetValueOrDefault(lower, UnknownLower));
        }
        for (var value = 0; value < ClassifiedBelow; value++)
        {
            if (!Rune.IsValid(value) || alphabet._ids.ContainsKey(value)) continue;
            var id = ClassOf(new Rune(value)) switch
            {
                CharacterClass.Space => Space,
                CharacterClass.Alone => UnknownAlone,
                CharacterClass.Upper => UnknownUpper,
                CharacterClass.Digit => UnknownDigit,
                _ => UnknownLower,
            };
            if (id != UnknownLower) alphabet._ids[value] = id;
        }
        alphabet._ids[StartCodePoint] = Start;
        return alphabet;
    }

    /// <summary>The ids of a text's characters between prefix and suffix, cut at <see cref="MaxLength"/>.</summary>
    public int[] Encode(string text)
    {
        var ids = new List<int>(Math.Min(text.Length + PrefixLength + 1, MaxLength)) { Space, Start, Space };
        foreach (var rune in text.EnumerateRunes())
        {
            if (ids.Count == MaxLength) return [.. ids];
            ids.Add(_ids.GetValueOrDefault(rune.Value, Unknown));
        }
        if (ids.Count < MaxLength) ids.Add(Space);
        return [.. ids];
    }

    private static CharacterClass ClassOf(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => CharacterClass.Space,
        UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharacterClass.Upper,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Digit,
        UnicodeCategory.LowercaseLetter or UnicodeCategory.ModifierLetter => CharacterClass.Lower,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => CharacterClass.Lower,
        UnicodeCategory.OtherLetter => Text.TextAlphabet.IsWrittenWithoutSpaces(rune.Value) ? CharacterClass.Alone : CharacterClass.Lower,
        _ => CharacterClass.Alone,
    };
}
