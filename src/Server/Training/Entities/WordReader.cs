using Atoll.Training.Text;

namespace Atoll.Training.Entities;

/// <summary>The words of a text, and what each of them looks like. The first is the mark before the text.</summary>
/// <param name="Begins">Position of each word's first character among the ids.</param>
/// <param name="Ends">Position of its last one.</param>
/// <param name="Kinds">How it is written: capitals and digits.</param>
/// <param name="Flags">Its kind with its length and with what it touches.</param>
/// <param name="Folded">Key of the word in small letters.</param>
/// <param name="Shapes">Keys of the word and of its beginnings and ends, <see cref="WordReader.ShapeKeys"/> for each word.</param>
internal sealed record TextWords(int[] Begins, int[] Ends, int[] Kinds, int[] Flags, long[] Folded, long[] Shapes)
{
    public int Count => Begins.Length;
}

/// <summary>Cuts texts into words: runs of letters and digits, and every other character by itself. <see cref="EntityGraph"/> does the same.</summary>
internal static class WordReader
{
    /// <summary>Characters of the longest beginning and end that is looked at.</summary>
    public const int LongestAffix = 4;

    /// <summary>Keys of a word: itself, its beginnings, its ends.</summary>
    public const int ShapeKeys = 1 + 2 * LongestAffix;

    /// <summary>No part of a word: it is too short.</summary>
    public const long NoKey = -1;

    public const int KindCount = 21;
    public const int StartKind = 6 * DigitKinds;
    public const int LongestLength = 6;
    public const int FlagCount = KindCount * (LongestLength + 1) * 4;

    /// <summary>Ways to have digits: none, only, some.</summary>
    public const int DigitKinds = 3;

    public static TextWords Read(EntityAlphabet alphabet, int[] ids)
    {
        List<int> begins = [], ends = [];
        for (var i = 0; i < ids.Length; i++)
        {
            var here = alphabet.Classes[ids[i]];
            if (here < (long)CharacterClass.Alone) continue;
            var joins = here >= (long)CharacterClass.Lower;
            if (!(joins && alphabet.Classes[ids[i - 1]] >= (long)CharacterClass.Lower)) begins.Add(i);
            if (!(joins && i + 1 < ids.Length && alphabet.Classes[ids[i + 1]] >= (long)CharacterClass.Lower)) ends.Add(i);
        }
        var words = new TextWords([.. begins], [.. ends], new int[begins.Count], new int[begins.Count], new long[begins.Count], new long[begins.Count * ShapeKeys]);
        for (var word = 0; word < words.Count; word++) Describe(alphabet, ids, words, word);
        return words;
    }

    private static void Describe(EntityAlphabet alphabet, int[] ids, TextWords words, int word)
    {
        var (begin, end) = (words.Begins[word], words.Ends[word]);
        var length = end - begin + 1;
        int capitals = 0, digits = 0;
        long exact = 0, folded = 0;
        for (var i = begin; i <= end; i++)
        {
            var id = ids[i];
            if (alphabet.Classes[id] == (long)CharacterClass.Upper) capitals++;
            else if (alphabet.Classes[id] == (long)CharacterClass.Digit) digits++;
            var factor = NgramVocabulary.Multipliers[Math.Min(i - begin, NgramVocabulary.MultiplierCount - 1)];
            unchecked
            {
                exact += id * factor;
                folded += alphabet.Folded[id] * factor;
            }
        }

        var first = alphabet.Classes[ids[begin]];
        var caps = ids[begin] == EntityAlphabet.Start ? 6
            : first == (long)CharacterClass.Alone ? 5
            : capitals == 0 ? 0
            : capitals == length ? length == 1 ? 3 : 2
            : capitals == 1 && first == (long)CharacterClass.Upper ? 1
            : 4;
        var kind = caps * DigitKinds + (digits == 0 ? 0 : digits == length ? 1 : 2);
        var touchesBefore = alphabet.Classes[ids[begin - 1]] >= (long)CharacterClass.Alone ? 1 : 0;
        var touchesAfter = end + 1 < ids.Length && alphabet.Classes[ids[end + 1]] >= (long)CharacterClass.Alone ? 1 : 0;
        words.Kinds[word] = kind;
        words.Flags[word] = (kind * (LongestLength + 1) + Math.Min(length, LongestLength)) * 4 + touchesBefore * 2 + touchesAfter;
        words.Folded[word] = folded;

        var shapes = words.Shapes.AsSpan(word * ShapeKeys, ShapeKeys);
        shapes[0] = exact;
        long beginning = 0, ending = 0, radix = 1;
        for (var size = 1; size <= LongestAffix; size++, radix *= alphabet.Size)
        {
            if (size <= length)
            {
                beginning += ids[begin + size - 1] * radix;
                ending += ids[end - size + 1] * radix;
            }
            shapes[size] = size <= length ? beginning : NoKey;
            shapes[LongestAffix + size] = size <= length ? ending : NoKey;
        }
    }
}
