using Atoll.Contracts;
using Atoll.Datasets;

namespace Atoll.Training.Entities;

/// <summary>Entities as tags of words, and back.</summary>
internal static class EntitySpans
{
    /// <summary>The tag of each word; an entity takes all words that it touches, unless another has them.</summary>
    public static int[] ToTags(TextWords words, EntitySample sample, IReadOnlyDictionary<string, int> labels)
    {
        var tags = new int[words.Count];
        var word = 1;
        foreach (var entity in sample.Entities.OrderBy(entity => entity.Start))
        {
            while (word < words.Count && EndOf(words, word) <= entity.Start) word++;
            for (var first = true; word < words.Count && StartOf(words, word) < entity.End; word++, first = false)
                tags[word] = 2 * labels[entity.Label] + (first ? 1 : 2);
        }
        return tags;
    }

    /// <summary>What the tags mark, in the order of the text.</summary>
    public static List<EntitySpan> FromTags(TextWords words, int[] tags, IReadOnlyList<string> labels)
    {
        var spans = new List<EntitySpan>();
        for (var word = 1; word < words.Count; word++)
        {
            if (tags[word] == 0) continue;
            if (ChainModel.Begins(tags, word)) spans.Add(new EntitySpan(StartOf(words, word), EndOf(words, word), labels[(tags[word] - 1) / 2]));
            else spans[^1] = spans[^1] with { End = EndOf(words, word) };
        }
        return spans;
    }

    /// <summary>Characters of the text before the word.</summary>
    private static int StartOf(TextWords words, int word) => words.Begins[word] - EntityAlphabet.PrefixLength;

    private static int EndOf(TextWords words, int word) => words.Ends[word] + 1 - EntityAlphabet.PrefixLength;
}
