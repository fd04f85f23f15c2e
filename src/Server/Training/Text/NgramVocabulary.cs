using System.Runtime.InteropServices;

namespace Atoll.Training.Text;

/// <summary>The n-grams that are features: words alone and in pairs, and runs of characters. Gives the features of a text.</summary>
/// <remarks>
/// How often an n-gram occurs in a text makes no difference. Feature 0 does not exist: it is what unknown n-grams map to.
/// The serving graph (<see cref="TextGraph"/>) finds exactly the same features.
/// </remarks>
internal sealed class NgramVocabulary
{
    /// <summary>Characters of a word with a multiplier of their own; later ones share the last.</summary>
    public const int MultiplierCount = 32;

    public const int ShortestRun = 2;

    private readonly LongMap _words;
    private readonly LongMap _pairs;
    private readonly LongMap _runs;

    private NgramVocabulary(TextAlphabet alphabet, NgramKeys keys, int longestRun)
    {
        Alphabet = alphabet;
        LongestRun = longestRun;
        Keys = keys;
        _words = new LongMap(keys.Words.Length);
        _pairs = new LongMap(keys.Pairs.Length);
        _runs = new LongMap(keys.Runs.Length);
        var next = 1;
        foreach (var key in keys.Words) _words.Set(key, next++);
        foreach (var key in keys.Pairs) _pairs.Set(key, next++);
        foreach (var key in keys.Runs) _runs.Set(key, next++);
        FirstPair = 1 + keys.Words.Length;
        FirstRun = FirstPair + keys.Pairs.Length;
        FeatureCount = next;
    }

    public TextAlphabet Alphabet { get; }

    public NgramKeys Keys { get; }

    public int LongestRun { get; }

    /// <summary>Position of the first pair of words; words come before.</summary>
    public int FirstPair { get; }

    /// <summary>Position of the first run of characters; pairs come before.</summary>
    public int FirstRun { get; }

    /// <summary>One more than the last feature's position.</summary>
    public int FeatureCount { get; }

    /// <summary>Position of the mark that every text begins with. It is the neighbour of first and last words, and no feature on its own.</summary>
    public int StartFeature => _words.Get(StartKey);

    /// <summary>What a character at a position in its word is multiplied with; the sum is the word's key.</summary>
    public static ReadOnlySpan<long> Multipliers => MultiplierTable;

    private static readonly long[] MultiplierTable = MakeMultipliers();

    /// <summary>Counts n-grams and keeps those that occur in enough texts, the most frequent ones when there are too many.</summary>
    public static NgramVocabulary Learn(IReadOnlyList<string> texts, NgramOptions options, CancellationToken cancellationToken) =>
        Learn(TextAlphabet.Learn(texts), texts, options, cancellationToken);

    public static NgramVocabulary Learn(
        TextAlphabet alphabet, IReadOnlyList<string> texts, NgramOptions options, CancellationToken cancellationToken)
    {
        var words = new NgramCounts();
        var pairs = new NgramCounts();
        var runs = new NgramCounts();
        List<long> wordKeys = [], runKeys = [], pairKeys = [];
        // A pair of words is keyed by the words' numbers, so words are counted and kept first.
        foreach (var text in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var characters = alphabet.Encode(text);
            WordKeys(alphabet, characters, wordKeys);
            words.Add(wordKeys);
            RunKeys(alphabet, characters, options.LongestRun, runKeys);
            runs.Add(runKeys);
        }
        var keptWords = words.Keep(options.MinTexts, options.MaxWords);
        var wordNumbers = new LongMap(keptWords.Length);
        for (var i = 0; i < keptWords.Length; i++) wordNumbers.Set(keptWords[i], i + 1);
        var start = wordNumbers.Get(StartKey);
        foreach (var text in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            WordKeys(alphabet, alphabet.Encode(text), wordKeys);
            PairKeys(CollectionsMarshal.AsSpan(wordKeys), wordNumbers, keptWords.Length + 1, start, pairKeys);
            pairs.Add(pairKeys);
        }
        var keptPairs = pairs.Keep(options.MinTexts, options.MaxWords);
        var keptRuns = runs.Keep(options.MinTexts, options.MaxRuns);

        return new NgramVocabulary(alphabet, new NgramKeys(keptWords, keptPairs, keptRuns), options.LongestRun);
    }

    /// <summary>The features that each text contains.</summary>
    public FeatureRows Extract(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        var starts = new int[texts.Count + 1];
        List<int> features = [];
        List<long> keys = [], pairKeys = [];
        List<int> found = [];
        var start = StartFeature;
        for (var row = 0; row < texts.Count; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var characters = Alphabet.Encode(texts[row]);
            found.Clear();
            WordKeys(Alphabet, characters, keys);
            foreach (var key in keys) found.Add(_words.Get(key));
            PairKeys(CollectionsMarshal.AsSpan(keys), _words, FirstPair, start, pairKeys);
            foreach (var key in pairKeys) found.Add(key == 0 ? 0 : _pairs.Get(key));
            RunKeys(Alphabet, characters, LongestRun, keys);
            foreach (var key in keys) found.Add(_runs.Get(key));
            found.Sort();
            var previous = 0;
            foreach (var feature in found)
            {
                if (feature != previous && feature != start) features.Add(feature);
                previous = feature;
            }
            starts[row + 1] = features.Count;
        }
        return new FeatureRows(starts, [.. features], FeatureCount, FirstPair, FirstRun);
    }

    private static long StartKey => TextAlphabet.Start * MultiplierTable[0];

    /// <summary>The keys of a text's words, the mark at its start among them, in order.</summary>
    private static void WordKeys(TextAlphabet alphabet, ReadOnlySpan<int> characters, List<long> keys)
    {
        keys.Clear();
        long key = 0;
        var position = 0;
        for (var i = 1; i < characters.Length; i++)
        {
            var id = characters[i];
            if (id < TextAlphabet.Start) continue;
            key += id * MultiplierTable[Math.Min(position, MultiplierCount - 1)];
            position++;
            if (id >= alphabet.Unknown && i + 1 < characters.Length && characters[i + 1] >= alphabet.Unknown) continue;
            keys.Add(key);
            key = 0;
            position = 0;
        }
    }

    /// <summary>The keys of neighbouring words; the last word's neighbour is the start mark. 0 where a word is unknown.</summary>
    private static void PairKeys(ReadOnlySpan<long> words, LongMap numbers, int radix, int start, List<long> keys)
    {
        keys.Clear();
        for (var i = 0; i < words.Length; i++)
        {
            var left = numbers.Get(words[i]);
            var right = i + 1 < words.Length ? numbers.Get(words[i + 1]) : start;
            keys.Add(left == 0 || right == 0 ? 0 : (long)left * radix + right);
        }
    }

    /// <summary>The keys of all runs of 2 to <paramref name="longest"/> characters: the ids as digits.</summary>
    private static void RunKeys(TextAlphabet alphabet, ReadOnlySpan<int> characters, int longest, List<long> keys)
    {
        keys.Clear();
        for (var i = 0; i < characters.Length; i++)
        {
            long key = characters[i];
            for (var length = 2; length <= longest && i + length <= characters.Length; length++)
            {
                key = key * alphabet.Size + characters[i + length - 1];
                keys.Add(key);
            }
        }
    }

    private static long[] MakeMultipliers()
    {
        // 28 bits: the graph sums products with ids below 2^15 over up to a million characters, and must keep clear of the sign.
        var random = new Random(20_010_131);
        var table = new long[MultiplierCount];
        for (var i = 0; i < table.Length; i++) table[i] = random.NextInt64(1L << 27, 1L << 28);
        return table;
    }
}

/// <summary>The keys of the n-grams that are features, in the order of their positions.</summary>
internal sealed record NgramKeys(long[] Words, long[] Pairs, long[] Runs);

/// <summary>Which n-grams become features.</summary>
internal sealed record NgramOptions
{
    /// <summary>Texts that an n-gram must occur in.</summary>
    public int MinTexts { get; init; } = 1;

    public int LongestRun { get; init; } = 4;

    public int MaxWords { get; init; } = 60_000;

    public int MaxRuns { get; init; } = 120_000;
}
