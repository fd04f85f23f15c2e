using Atoll.Datasets;

namespace Atoll.Training.Entities;

/// <summary>The features of the words of a text, as rows of a <see cref="ChainModel"/>'s tables.</summary>
/// <param name="Wide">For each word <see cref="EntityVocabulary.WidePerWord"/> rows that say something about its neighbours' tags, too.</param>
/// <param name="Own">For each word <see cref="EntityVocabulary.OwnPerWord"/> rows that speak of its own tag alone; 0 is none.</param>
internal sealed record WordFeatures(int Count, int[] Wide, int[] Own);

/// <summary>Which words and parts of words are known, and the rows of tables that they have.</summary>
internal sealed class EntityVocabulary
{
    /// <summary>Flags, kind, and the word in small letters.</summary>
    public const int WidePerWord = 3;

    /// <summary>The keys of its shape, it with the word before, it with the word behind, and the kinds of the three.</summary>
    public const int OwnPerWord = WordReader.ShapeKeys + 3;

    public const int FirstKind = WordReader.FlagCount;
    public const int UnknownWord = FirstKind + WordReader.KindCount;
    public const int FirstWord = UnknownWord + 1;

    /// <summary>Keys carry what they are keys of as a digit to this base.</summary>
    public const int Channels = 16;
    public const int WordBefore = WordReader.ShapeKeys;
    public const int WordBehind = WordReader.ShapeKeys + 1;
    public const int KindsAround = WordReader.ShapeKeys + 2;

    /// <summary>Base of the keys of two words.</summary>
    public const long PairRadix = 1L << 24;
    public const int KindRadix = 32;

    private readonly Dictionary<long, int> _words = [];
    private readonly Dictionary<long, int> _parts = [];

    private EntityVocabulary(EntityAlphabet alphabet) => Alphabet = alphabet;

    public EntityAlphabet Alphabet { get; }

    /// <summary>Keys of the words in small letters; the first has the row <see cref="FirstWord"/>.</summary>
    public long[] Words { get; private init; } = [];

    /// <summary>Keys of all else; the first has row 1.</summary>
    public long[] Parts { get; private init; } = [];

    public int WideRows => FirstWord + Words.Length;

    public int OwnRows => 1 + Parts.Length;

    /// <summary>Row of the mark before each text.</summary>
    public int StartWord { get; private init; }

    /// <summary>Takes what occurs often enough, and of that the most frequent up to a bound.</summary>
    public static EntityVocabulary Learn(IReadOnlyList<EntitySample> samples, int least, int wordsMost, int partsMost, CancellationToken cancellationToken)
    {
        var alphabet = EntityAlphabet.Learn(samples);
        var counts = new Dictionary<long, int>();
        foreach (var sample in samples)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var key in WordReader.Read(alphabet, alphabet.Encode(sample.Text)).Folded) counts[key] = counts.GetValueOrDefault(key) + 1;
        }

        // The mark is on every text, so it is known even where there is a single one.
        var start = WordReader.Read(alphabet, alphabet.Encode("")).Folded[0];
        var words = Frequent(counts.Where(pair => pair.Key != start), least, wordsMost).Prepend(start).ToArray();
        var half = new EntityVocabulary(alphabet) { Words = words, StartWord = FirstWord };
        half.Index();
        counts.Clear();
        var keys = new long[OwnPerWord];
        foreach (var sample in samples)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = WordReader.Read(alphabet, alphabet.Encode(sample.Text));
            for (var word = 1; word < read.Count; word++)
            {
                half.KeysOf(read, word, keys);
                for (var i = 0; i < keys.Length; i++)
                    if (keys[i] >= 0 || i == 0) counts[keys[i]] = counts.GetValueOrDefault(keys[i]) + 1;
            }
        }
        var vocabulary = new EntityVocabulary(alphabet) { Words = words, Parts = [.. Frequent(counts, least, partsMost)], StartWord = FirstWord };
        vocabulary.Index();
        return vocabulary;
    }

    public (TextWords Words, WordFeatures Features) Extract(string text)
    {
        var words = WordReader.Read(Alphabet, Alphabet.Encode(text));
        var (wide, own) = (new int[words.Count * WidePerWord], new int[words.Count * OwnPerWord]);
        var keys = new long[OwnPerWord];
        for (var word = 0; word < words.Count; word++)
        {
            wide[word * WidePerWord] = words.Flags[word];
            wide[word * WidePerWord + 1] = FirstKind + words.Kinds[word];
            wide[word * WidePerWord + 2] = RowOf(words.Folded[word]);

            // The mark itself is never tagged.
            if (word == 0) continue;
            KeysOf(words, word, keys);
            for (var i = 0; i < keys.Length; i++) own[word * OwnPerWord + i] = _parts.GetValueOrDefault(keys[i]);
        }
        return (words, new WordFeatures(words.Count, wide, own));
    }

    private void KeysOf(TextWords words, int word, long[] keys)
    {
        var (before, here, behind) = (RowOf(words.Folded[word - 1]), RowOf(words.Folded[word]), word + 1 < words.Count ? RowOf(words.Folded[word + 1]) : StartWord);
        var behindKind = word + 1 < words.Count ? words.Kinds[word + 1] : WordReader.StartKind;
        unchecked
        {
            for (var i = 0; i < WordReader.ShapeKeys; i++) keys[i] = words.Shapes[word * WordReader.ShapeKeys + i] * Channels + i;
        }
        keys[WordBefore] = (before * PairRadix + here) * Channels + WordBefore;
        keys[WordBehind] = (here * PairRadix + behind) * Channels + WordBehind;
        keys[KindsAround] = (((long)words.Kinds[word - 1] * KindRadix + words.Kinds[word]) * KindRadix + behindKind) * Channels + KindsAround;
    }

    private int RowOf(long folded) => _words.GetValueOrDefault(folded, UnknownWord);

    private void Index()
    {
        for (var i = 0; i < Words.Length; i++) _words[Words[i]] = FirstWord + i;
        for (var i = 0; i < Parts.Length; i++) _parts[Parts[i]] = 1 + i;
    }

    private static IEnumerable<long> Frequent(IEnumerable<KeyValuePair<long, int>> counts, int least, int most) =>
        counts.Where(pair => pair.Value >= least).OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Take(most).Select(pair => pair.Key);
}
