using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Atoll.Training.Entities;
using Atoll.Training.Evaluation;
using Xunit;

namespace Atoll.Tests.Training.Entities;

/// <summary>The serving graph against the trainer's own words, features and tags, on texts that tokenisers stumble over.</summary>
public sealed class EntityGraphTests(ITestOutputHelper output)
{
    private static readonly string[] Labels = ["PERSON", "PLACE", "THING"];

    private static readonly string[] Nasty =
    [
        "", " ", "   \t\r\n ", "\u0001", "\u0002", "a\u0002b \u0002", "a\0b", "padding", "pad ding", "\uFFFD",
        "Hello, World!", "HELLO world", "McDonald's in New York", "don't DON\u2019T", "it's 5 o'clock", "e-mail: a.b@c.de", "snake_case_word U.S.A.",
        "\U0001F600", "ok \U0001F44D\U0001F3FD\U0001F44D!", "\U0001F468\u200D\U0001F469\u200D\U0001F467 Anna", "cafe\u0301 caf\u00E9 CAF\u00C9",
        "Stra\u00DFe STRASSE", "\u0130stanbul \u0131stanbul", "\u4F60\u597D\u4E16\u754C", "\u4F60\u597D world", "\u65E5\u672C\u8A9E\u306E\u6587\u7AE0\u3002",
        "\uD55C\uAD6D\uC5B4", "\u0E2A\u0E27\u0E31", "\U00020000\U0002A6D6", "\u0645\u0631\u062D\u0628\u0627", "\u041F\u0440\u0438\u0432\u0435\u0442 \u041C\u0418\u0420",
        "1,234.56 $ \u20AC 50%", "\u00BD \u2167 \u2460", "a", "!", "!!!???", "\u00A0nbsp\u00A0", "\u200Bzero\u200Bwidth", "\u2028line\u2029para",
        "3rd B2B 1999 iPhone eBay A.", "C:\\path\\file \"quoted\" x=1;y=2",
    ];

    [Fact]
    public void The_graph_finds_what_the_trainer_finds_in_nasty_texts() =>
        Compare([.. Nasty, new string('x', 300), string.Concat(Enumerable.Repeat("Anna went to Very Long Place, on and on. ", 12))]);

    [Fact]
    public void The_graph_finds_what_the_trainer_finds_in_unseen_mixtures()
    {
        const int seed = 4712;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var texts = new List<string>();
        for (var i = 0; i < 120; i++)
        {
            var text = new StringBuilder();
            for (var part = random.Next(6); part >= 0; part--) text.Append(Nasty[random.Next(Nasty.Length)]).Append(random.Next(2) == 0 ? " " : "");
            texts.Add(text.ToString());
        }
        Compare(texts);
    }

    [Fact]
    public void Texts_beyond_the_length_that_is_read_are_cut_alike()
    {
        var room = EntityAlphabet.MaxLength - EntityAlphabet.PrefixLength - EntityAlphabet.Suffix.Length;
        Compare([.. ((int[])[room - 1, room, room + 1, room + 50]).Select(length => string.Concat(Enumerable.Repeat("Anna, Bo in Oslo ", 700))[..length]), "Anna in Oslo"]);
    }

    [Fact]
    public void Places_are_code_points_of_the_raw_text()
    {
        const string text = "  \U0001F600\U0001F600  Anna!";
        var vocabulary = EntityVocabulary.Learn([new EntitySample(text, [])], 1, 100, 100, CancellationToken.None);
        var (words, _) = vocabulary.Extract(text);

        var spans = EntitySpans.FromTags(words, EntitySpans.ToTags(words, new EntitySample(text, [new EntitySpan(6, 10, "PERSON")]), new Dictionary<string, int> { ["PERSON"] = 0 }), Labels);

        Assert.Equal([new EntitySpan(6, 10, "PERSON")], spans);
        Assert.Equal("Anna", string.Concat(text.EnumerateRunes().Skip(6).Take(4)));
    }

    [Fact]
    public void Models_with_as_many_labels_share_a_session_whatever_they_know()
    {
        var first = ServingForm.Make(Export(Model(Nasty, 1)), CancellationToken.None);
        var second = ServingForm.Make(Export(Model(["other texts", "Of other words"], 2)), CancellationToken.None);

        Assert.True(first.GraphDigest is not null, first.Reason);
        Assert.Equal(first.GraphDigest, second.GraphDigest);
    }

    private static void Compare(IReadOnlyList<string> texts)
    {
        var (vocabulary, model) = Model(texts, seed: 99);
        using var session = OnnxSession.Load(Export((vocabulary, model)));
        var together = EntityEvaluation.Find(session, texts);
        var transitions = model.TransitionFactors();
        var found = 0;
        for (var i = 0; i < texts.Count; i++)
        {
            var (words, features) = vocabulary.Extract(texts[i]);
            var expected = EntitySpans.FromTags(words, model.Decide(model.Probabilities(features, transitions)), Labels);
            found += expected.Count;

            Assert.Equal(expected, EntityEvaluation.Find(session, [texts[i]])[0]);
            Assert.Equal(expected, together[i]);
        }
        Assert.True(found > 20, $"{found} entities compare little.");
    }

    private static byte[] Export((EntityVocabulary Vocabulary, ChainModel Model) made) => EntityGraph.Export(made.Vocabulary, made.Model, Labels);

    /// <summary>A model with random weights, so that a single feature more or less shows in what is found.</summary>
    private static (EntityVocabulary Vocabulary, ChainModel Model) Model(IReadOnlyList<string> texts, int seed)
    {
        var random = new Random(seed);
        var vocabulary = EntityVocabulary.Learn([.. texts.Select(text => new EntitySample(text, []))], 1, 10_000, 10_000, CancellationToken.None);
        var model = new ChainModel(Labels.Length, vocabulary.WideRows, vocabulary.OwnRows) { OutsideFactor = 0.7f };
        foreach (var weights in (float[][])[model.Wide, model.Own, model.Transitions])
            foreach (ref var weight in weights.AsSpan()) weight = (random.NextSingle() - 0.5f) * 2;
        model.Own.AsSpan(0, model.Tags).Clear();
        return (vocabulary, model);
    }
}
