using System.Numerics.Tensors;

namespace Atoll.Training.Entities;

/// <summary>A linear chain over the words of a text: each word's features score its own tag and those of its neighbours, and tags score the tag behind them.</summary>
/// <remarks>
/// Tag 0 is outside, 2k + 1 begins an entity of label k, 2k + 2 goes on with it. A text stands between words that are outside, and an entity never
/// goes on where none of its label is.
/// </remarks>
internal sealed class ChainModel
{
    /// <summary>Neighbours on either side whose features have weights of their own for each distance.</summary>
    public const int Near = 2;

    /// <summary>Neighbours on either side that count all the same, wherever they are.</summary>
    public const int Far = 4;

    /// <summary>Weights of a wide feature for each tag: for every near distance, and one for all neighbours.</summary>
    public const int Slots = 2 * Near + 2;
    public const int AroundSlot = Slots - 1;

    /// <summary>Words on either side that decide a tag with a word, through the tags between them.</summary>
    public const int Rounds = 8;

    /// <summary>Scores this far below the best are taken for no less.</summary>
    public const float LeastScore = -25;

    public const float TransitionMost = 8;

    public ChainModel(int labels, int wideRows, int ownRows)
    {
        Labels = labels;
        Tags = 1 + 2 * labels;
        Wide = new float[(long)wideRows * Slots * Tags];
        Own = new float[(long)ownRows * Tags];
        Transitions = new float[Tags * Tags];
    }

    public int Labels { get; }

    public int Tags { get; }

    /// <summary>By row, slot and tag.</summary>
    public float[] Wide { get; }

    /// <summary>By row and tag; row 0 is zero.</summary>
    public float[] Own { get; }

    /// <summary>By tag and tag behind it; those that may not follow each other have none.</summary>
    public float[] Transitions { get; }

    /// <summary>What the probability of being outside is multiplied with before the likeliest tag is taken.</summary>
    public float OutsideFactor { get; set; } = 1;

    public static bool MayFollow(int tag, int behind) => behind == 0 || behind % 2 == 1 || tag == behind || tag == behind - 1;

    /// <summary>Exponentials of <see cref="Transitions"/>, 0 where a tag may not follow.</summary>
    public float[] TransitionFactors()
    {
        var factors = new float[Tags * Tags];
        for (var i = 0; i < Tags; i++)
            for (var j = 0; j < Tags; j++)
                if (MayFollow(i, j)) factors[i * Tags + j] = MathF.Exp(Transitions[i * Tags + j]);
        return factors;
    }

    /// <summary>[words, tags] scores by features alone.</summary>
    /// <param name="ownFactors">What each own row counts; empty for 1.</param>
    public float[] Scores(WordFeatures features, ReadOnlySpan<float> ownFactors = default)
    {
        var (count, width) = (features.Count, Slots * Tags);
        var spread = new float[count * width];
        var scores = new float[count * Tags];
        for (var word = 0; word < count; word++)
        {
            var all = spread.AsSpan(word * width, width);
            for (var i = 0; i < EntityVocabulary.WidePerWord; i++)
                TensorPrimitives.Add(all, Wide.AsSpan(features.Wide[word * EntityVocabulary.WidePerWord + i] * width, width), all);
            var own = scores.AsSpan(word * Tags, Tags);
            for (var i = 0; i < EntityVocabulary.OwnPerWord; i++)
            {
                var at = word * EntityVocabulary.OwnPerWord + i;
                if (features.Own[at] == 0) continue;
                var row = Own.AsSpan(features.Own[at] * Tags, Tags);
                if (ownFactors.IsEmpty) TensorPrimitives.Add(own, row, own);
                else TensorPrimitives.MultiplyAdd(row, ownFactors[at], own, own);
            }
        }
        for (var word = 0; word < count; word++)
        {
            var own = scores.AsSpan(word * Tags, Tags);
            for (var distance = -Far; distance <= Far; distance++)
            {
                var other = word + distance;
                if ((uint)other >= (uint)count) continue;
                if (Math.Abs(distance) <= Near) TensorPrimitives.Add(own, spread.AsSpan(other * width + (distance + Near) * Tags, Tags), own);
                if (distance != 0) TensorPrimitives.Add(own, spread.AsSpan(other * width + AroundSlot * Tags, Tags), own);
            }
        }
        return scores;
    }

    /// <summary>Exponentials of scores in place, scaled by word; the mark before the text is outside.</summary>
    public void ToFactors(float[] scores)
    {
        for (var word = 0; word < scores.Length / Tags; word++)
        {
            var row = scores.AsSpan(word * Tags, Tags);
            if (word == 0)
            {
                row.Clear();
                row[0] = 1;
                continue;
            }
            TensorPrimitives.Subtract(row, TensorPrimitives.Max<float>(row), row);
            TensorPrimitives.Max(row, LeastScore, row);
            TensorPrimitives.Exp(row, row);
        }
    }

    /// <summary>[words, tags] probabilities, as the serving graph finds them: by so many exchanges between neighbours as <see cref="Rounds"/> says.</summary>
    public float[] Probabilities(WordFeatures features, float[] transitions)
    {
        var factors = Scores(features);
        ToFactors(factors);
        var count = features.Count;
        var (forward, backward) = ((float[])factors.Clone(), new float[factors.Length]);
        Array.Fill(backward, 1);
        var (nextForward, nextBackward) = (new float[factors.Length], new float[factors.Length]);
        Span<float> outside = stackalloc float[Tags], message = stackalloc float[Tags];
        outside.Clear();
        outside[0] = 1;
        for (var round = 0; round < Rounds; round++)
        {
            for (var word = 0; word < count; word++)
            {
                var to = nextForward.AsSpan(word * Tags, Tags);
                Step(word == 0 ? outside : forward.AsSpan((word - 1) * Tags, Tags), transitions, to, isBackward: false);
                TensorPrimitives.Multiply(to, factors.AsSpan(word * Tags, Tags), to);
                Normalise(to);
                if (word + 1 < count) TensorPrimitives.Multiply(factors.AsSpan((word + 1) * Tags, Tags), backward.AsSpan((word + 1) * Tags, Tags), message);
                else outside.CopyTo(message);
                to = nextBackward.AsSpan(word * Tags, Tags);
                Step(message, transitions, to, isBackward: true);
                Normalise(to);
            }
            (forward, nextForward) = (nextForward, forward);
            (backward, nextBackward) = (nextBackward, backward);
        }
        for (var word = 0; word < count; word++)
        {
            var row = forward.AsSpan(word * Tags, Tags);
            TensorPrimitives.Multiply(row, backward.AsSpan(word * Tags, Tags), row);
            Normalise(row);
        }
        return forward;
    }

    /// <summary>The likeliest tag of each word; one that goes on where none of its label is begins.</summary>
    public int[] Decide(float[] probabilities)
    {
        var tags = new int[probabilities.Length / Tags];
        for (var word = 0; word < tags.Length; word++)
        {
            var row = probabilities.AsSpan(word * Tags, Tags);
            var (best, most) = (0, row[0] * OutsideFactor);
            for (var tag = 1; tag < Tags; tag++)
                if (row[tag] > most) (best, most) = (tag, row[tag]);
            tags[word] = best;
        }
        return tags;
    }

    public static bool Begins(ReadOnlySpan<int> tags, int word) =>
        tags[word] > 0 && (tags[word] % 2 == 1 || word == 0 || (tags[word - 1] + 1) / 2 != (tags[word] + 1) / 2);

    /// <summary>One tag further: a message times the transitions, or their transpose.</summary>
    public void Step(ReadOnlySpan<float> message, ReadOnlySpan<float> transitions, Span<float> to, bool isBackward)
    {
        if (isBackward)
        {
            for (var i = 0; i < Tags; i++) to[i] = TensorPrimitives.Dot(transitions.Slice(i * Tags, Tags), message);
            return;
        }
        to.Clear();
        for (var i = 0; i < Tags; i++)
            if (message[i] != 0) TensorPrimitives.MultiplyAdd(transitions.Slice(i * Tags, Tags), message[i], to, to);
    }

    public static float Normalise(Span<float> row)
    {
        var sum = TensorPrimitives.Sum<float>(row);
        TensorPrimitives.Divide(row, sum, row);
        return sum;
    }
}
