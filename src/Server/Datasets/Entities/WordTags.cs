using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Tags of words as marked spans. Takes IOB1, IOB2 and BIOES (with its letters BILOU, too) as they come: all mean the same unless they are mixed up.</summary>
internal static class WordTags
{
    public const string Outside = "O";

    private const string Letters = "BIESLUO";

    /// <summary>Reads a tag; null, or what is wrong with it.</summary>
    public static string? TryRead(ReadOnlySpan<char> tag, out char letter, out ReadOnlySpan<char> label)
    {
        letter = 'O';
        label = default;
        if (tag is Outside) return null;
        if (tag.IsEmpty) return "There is no tag. Write O for words outside of any entity.";

        letter = tag[0];
        label = tag.Length > 2 ? tag[2..].Trim() : default;
        var shown = tag.Length <= 40 ? tag.ToString() : $"{tag[..39]}…";
        if (tag.Length < 2 || tag[1] is not ('-' or '_') || !Letters.Contains(letter, StringComparison.Ordinal))
            return $"'{shown}' is no tag. Write O, or B- or I- before the label, such as B-PERSON.";
        if (letter == 'O') return $"'{shown}' is no tag: what is outside has no label. Write O.";
        return label.IsEmpty ? $"The tag '{shown}' has no label. Write it behind the line, such as B-PERSON." : null;
    }

    /// <summary>Whether an entity begins at a word with this tag, given the tag before.</summary>
    /// <param name="isOdd">The tag says that one goes on, and none does: usual in IOB1, a slip in the other ways.</param>
    public static bool Begins(char letter, ReadOnlySpan<char> label, char before, ReadOnlySpan<char> labelBefore, out bool isOdd)
    {
        var goesOn = before is 'B' or 'I' && label.SequenceEqual(labelBefore);
        isOdd = letter is 'I' or 'E' or 'L' && !goesOn;
        return letter is 'B' or 'S' or 'U' || isOdd;
    }
}

/// <summary>Gathers words and their tags to a text with spans: words are parted by single spaces.</summary>
internal sealed class TaggedSentence
{
    private readonly System.Text.StringBuilder _text = new();
    private readonly List<EntitySpan> _entities = [];
    private int _length;
    private char _letter = 'O';
    private string _label = "";

    public bool IsEmpty => _length == 0;

    /// <summary>Code points so far.</summary>
    public int Length => _length;

    /// <summary>An entity went on that had not begun, or was left open where the tags say where each one ends.</summary>
    public bool HasOddOrder { get; private set; }

    public void Add(ReadOnlySpan<char> word, char letter, ReadOnlySpan<char> label)
    {
        if (_length > 0)
        {
            _text.Append(' ');
            _length++;
        }

        int start = _length;
        _text.Append(word);
        _length += CodePoints.Count(word);
        if (letter != 'O')
        {
            var name = label.SequenceEqual(_label) ? _label : label.ToString();
            if (WordTags.Begins(letter, label, _letter, _label, out var odd)) _entities.Add(new EntitySpan(start, _length, name));
            else _entities[^1] = _entities[^1] with { End = _length };
            HasOddOrder |= odd;
            _label = name;
        }

        _letter = letter;
    }

    /// <summary>The sample, and a fresh beginning.</summary>
    public EntitySample Take()
    {
        var sample = new EntitySample(_text.ToString(), [.. _entities]);
        _text.Clear();
        _entities.Clear();
        (_length, _letter, _label, HasOddOrder) = (0, 'O', "", false);
        return sample;
    }
}
